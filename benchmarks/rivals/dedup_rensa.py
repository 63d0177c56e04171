"""rensa's own deduplicator, as its documentation shows it: it compares the signatures of what its index finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from dedup_common import PERMUTATIONS, THRESHOLD, main, shingles
from rensa import RMinHashDeduplicator

BATCH = 10_000


def find(texts: Iterable[str]) -> Iterator[bool]:
    deduplicator = RMinHashDeduplicator(threshold=THRESHOLD, num_perm=PERMUTATIONS, use_lsh=True)
    numbered = enumerate(texts)
    while batch := [(str(number), list(shingles(text))) for number, text in islice(numbered, BATCH)]:
        yield from (not kept for kept in deduplicator.add_pairs(batch))


if __name__ == "__main__":
    main(find)
