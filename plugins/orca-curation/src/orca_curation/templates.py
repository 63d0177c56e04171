"""What the texts of a task have in common: an instruction, a list of options, the words around what makes each a text of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappush, heapreplace
from typing import TYPE_CHECKING, Final

from orca_curation.shingles import Shingles, shingles, words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE: Final = 200
"""Texts of a task that are looked at, those of the smallest hashes: whatever their order, they are the same."""
COMMON: Final = 5
"""In so many of them a shingle belongs to the template: FLAN has ten templates to a task, in two types, each a twentieth."""


class Templates:
    """The shingles that are common in each task.

    Args:
        texts: tasks and their texts.
        size: words in a shingle.
    """

    def __init__(self, texts: Iterable[tuple[str, str]], size: int) -> None:
        import numpy as np

        drawn: dict[str, list[tuple[int, str]]] = {}
        for task, text in texts:
            _draw(drawn.setdefault(task, []), text)
        common = [_common([text for _, text in sample], size) ^ _salt(task) for task, sample in drawn.items()]
        self._known = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *common]))

    def without(self, found: Shingles, tasks: Sequence[str]) -> Shingles:
        """The shingles of some texts, of these tasks, that are not common in their task."""
        import numpy as np

        salts = np.array([_salt(task) for task in tasks], dtype=np.uint64)
        own = ~np.isin(found.hashes ^ np.repeat(salts, np.diff(found.bounds)), self._known)
        return Shingles(found.hashes[own], np.concatenate([[0], np.cumsum(own)])[found.bounds])


def _draw(sample: list[tuple[int, str]], text: str) -> None:
    """Put a text into a sample, a heap, if it belongs there and is not there yet."""
    import xxhash

    entry = -xxhash.xxh3_64_intdigest(text.encode(errors="replace")), text
    full = len(sample) == SAMPLE
    if (full and entry <= sample[0]) or entry in sample:
        return
    if full:
        heapreplace(sample, entry)
    else:
        heappush(sample, entry)


def _common(texts: Iterable[str], size: int) -> NDArray[np.uint64]:
    import numpy as np

    found = shingles({tuple(words(text)) for text in texts}, size)
    sets = [np.unique(found.hashes[i:j]) for i, j in zip(found.bounds[:-1], found.bounds[1:], strict=True)]
    values, counts = np.unique(np.concatenate(sets), return_counts=True)
    return values[counts >= COMMON]


def _salt(task: str) -> np.uint64:
    import numpy as np
    import xxhash

    return np.uint64(xxhash.xxh3_64_intdigest(task.encode(errors="replace")))
