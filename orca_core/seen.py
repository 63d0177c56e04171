"""Which ids were there before, at millions of them: eight bytes an id instead of the hundred of a set of strings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import compress, islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
BLOCK: Final = 8192
"""Ids that are looked up at once."""


class Seen:
    """A growing set of 64-bit numbers: sorted runs, the smaller ones merged as they come to be as long as the next."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def add(self, numbers: Iterable[int]) -> NDArray[np.bool_]:
        """Add numbers; tells of each whether it comes here for the first time, among themselves too."""
        import numpy as np

        block = np.fromiter(numbers, dtype=np.uint64)
        values, first = np.unique(block, return_index=True)
        fresh = np.zeros(len(block), dtype=np.bool_)
        fresh[first] = True
        for run in self._runs:
            places = np.minimum(np.searchsorted(run, values), len(run) - 1)
            fresh[first[run[places] == values]] = False
        self._merge(values[fresh[first]])
        return fresh

    def _merge(self, run: NDArray[np.uint64]) -> None:
        import numpy as np

        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)


def distinct(items: Iterable[T], key: Callable[[T], str]) -> Iterator[T]:
    """The items whose key, 16 hexadecimal digits, comes for the first time, in their order."""
    seen, iterator = Seen(), iter(items)
    while block := list(islice(iterator, BLOCK)):
        yield from compress(block, seen.add(int(key(item), 16) for item in block))
