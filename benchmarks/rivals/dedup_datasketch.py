"""datasketch's MinHashLSH as its documentation shows it: what finds something in the index is a duplicate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datasketch import MinHash, MinHashLSH
from dedup_common import PERMUTATIONS, THRESHOLD, main, shingles


def find(texts: Iterable[str]) -> Iterator[bool]:
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    for number, text in enumerate(texts):
        signature = MinHash(num_perm=PERMUTATIONS)
        signature.update_batch([shingle.encode() for shingle in shingles(text)])
        found = bool(index.query(signature))
        if not found:
            index.insert(number, signature)
        yield found


if __name__ == "__main__":
    main(find)
