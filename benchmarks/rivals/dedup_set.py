"""The floor: a set of the texts, lower case and with single blanks. It finds no near copies, and holds every text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dedup_common import main


def find(texts: Iterable[str]) -> Iterator[bool]:
    seen: set[str] = set()
    for text in texts:
        plain = " ".join(text.lower().split())
        yield plain in seen
        seen.add(plain)


if __name__ == "__main__":
    main(find)
