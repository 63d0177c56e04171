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
    traces = (Trace(Prompt(Query(text, task="texts")), "", model="benchmark") for text in texts)
    return (reason is not None for _, reason in selector.select(traces))


if __name__ == "__main__":
    main(find)
