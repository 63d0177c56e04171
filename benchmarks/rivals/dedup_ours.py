"""The selector near-duplicates with its defaults, over traces made from the texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from dedup_common import main
from orca_curation import NEAR_DUPLICATES

from orca_core import Component, Prompt, Query, Selector, Trace
from orca_core.testing import build, make_context


def find(texts: Iterable[str]) -> Iterator[bool]:
    return run(NEAR_DUPLICATES, texts)


def run(component: Component, texts: Iterable[str]) -> Iterator[bool]:
    selector: Selector = build(component, make_context(Path()))
    return (reason is not None for _, reason in selector.select(Traces(texts)))


class Traces:
    """Traces of the texts, which like the core's may be iterated over more than once."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts

    def __iter__(self) -> Iterator[Trace]:
        return (Trace(Prompt(Query(text, task="texts")), "", model="benchmark") for text in self._texts)


if __name__ == "__main__":
    main(find)
