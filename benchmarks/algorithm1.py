"""Algorithm 1 without ``orca_flan``: what ``sampling.py`` holds it against.

Each way is given the sizes of a collection's tasks, how many queries are wanted, and the cap of a task; it yields (task, index).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

Way = Callable[[Sequence[int], int, int | None], Iterator[tuple[int, int]]]


def plain_lists(sizes: Sequence[int], n: int, cap: int | None) -> Iterator[tuple[int, int]]:
    """As one writes it down: the unused queries of each task in a list, out of which a random one is taken."""
    unused = [list(range(size)) if cap is None or size <= cap else random.sample(range(size), cap) for size in sizes]
    live = [task for task, size in enumerate(sizes) if size]
    for _ in range(n):
        if not live:
            return
        task = random.choice(live)
        queries = unused[task]
        at = random.randrange(len(queries))
        queries[at], queries[-1] = queries[-1], queries[at]
        yield task, queries.pop()
        if not queries:
            live.remove(task)


def plain_sparse(sizes: Sequence[int], n: int, cap: int | None) -> Iterator[tuple[int, int]]:
    """The same lists, of which only the places are kept that differ from a range: the swaps of a shuffle."""
    left = list(sizes)
    least = [0 if cap is None else max(0, size - cap) for size in sizes]
    moved: list[dict[int, int]] = [{} for _ in sizes]
    live = [task for task, size in enumerate(sizes) if size]
    for _ in range(n):
        if not live:
            return
        task = random.choice(live)
        at, last, swaps = random.randrange(left[task]), left[task] - 1, moved[task]
        query, swaps[at] = swaps.get(at, at), swaps.get(last, last)
        left[task] = last
        yield task, query
        if last == least[task]:
            live.remove(task)


def interleaved(sizes: Sequence[int], n: int, cap: int | None) -> Iterator[tuple[int, int]]:
    """A stream of ids for each task, mixed by ``datasets``: the law of Algorithm 1 for tasks, in order within them."""
    from datasets import IterableDataset, interleave_datasets

    streams = [
        IterableDataset.from_generator(_ids, gen_kwargs={"task": task, "size": size if cap is None else min(size, cap)})
        for task, size in enumerate(sizes)
        if size
    ]
    mixed = interleave_datasets(
        streams,
        probabilities=[1 / len(streams)] * len(streams),
        seed=0,
        stopping_strategy="all_exhausted_without_replacement",
    )
    return ((row["task"], row["index"]) for row in mixed.take(n))


def _ids(task: int, size: int) -> Iterator[dict[str, int]]:
    return ({"task": task, "index": index} for index in range(size))


OTHERS: Final[dict[str, Way]] = {"plain lists": plain_lists, "plain, sparse": plain_sparse, "datasets": interleaved}
