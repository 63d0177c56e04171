"""The selector duplicates with its defaults, over traces made from the texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dedup_common import main
from dedup_ours import run
from orca_curation import DUPLICATES


def find(texts: Iterable[str]) -> Iterator[bool]:
    return run(DUPLICATES, texts)


if __name__ == "__main__":
    main(find)
