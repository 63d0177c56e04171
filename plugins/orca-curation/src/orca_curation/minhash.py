"""Locality-sensitive hashing (MinHash) over millions of texts, in eight bytes a band and text.

rensa makes the signatures; its own index of a million texts takes 3 GB, which is why the bands are kept here. What shares a
band is but a candidate: whoever asks compares the texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from orca_curation.shingles import Shingles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED: Final = 1
"""Of the permutations: the same in every run, as what is a duplicate should not depend on the run's seed."""
CROWD: Final = 16
"""How many texts, the earliest, a band gives; a template of a thousand questions would make each a candidate of all others."""
RECALL: Final = 0.98
_LOW: Final = 0xFFFFFFFF


class Bands:
    """Finds texts that may be alike: those that share all minima of a band of their signatures, and a key.

    An entry is the upper half of a band's hash with the number of the text in its lower half. Entries are in sorted runs, of
    which the smaller ones are merged as they come to be as long as the next.

    Args:
        threshold: the Jaccard similarity from which on :data:`RECALL` of the pairs are found.
        permutations: length of the signatures.
    """

    def __init__(self, threshold: float, permutations: int) -> None:
        self._permutations = permutations
        self._rows = rows_of_band(threshold, permutations)
        self._runs: list[NDArray[np.uint64]] = []

    def entries(self, texts: Shingles, keys: NDArray[np.uint64], first: int) -> NDArray[np.uint64]:
        """The entries of some texts, a row each; they are numbered from ``first`` on, and only found by texts of their key."""
        import numpy as np
        from rensa import RMinHash

        make = RMinHash.digest_matrix_from_flat_token_hashes
        matrix = make(texts.hashes, texts.bounds.astype(np.uint64), self._permutations, SEED)
        signatures = np.array(matrix.to_rows(), dtype=np.uint64)
        bands = self._permutations // self._rows
        minima = signatures[:, : bands * self._rows].reshape(-1, bands, self._rows)
        hashes = _mix(keys[:, None] ^ np.arange(bands, dtype=np.uint64))
        for row in range(self._rows):
            hashes = _mix(hashes ^ minima[:, :, row])
        numbers = np.arange(first, first + len(minima), dtype=np.uint64)
        return hashes & ~np.uint64(_LOW) | numbers[:, None]

    def candidates(self, entries: NDArray[np.uint64], most: int) -> Iterator[tuple[int, int]]:
        """Pairs of a text of ``entries`` and an earlier one that shares a band with it, of these or of those added before.

        In the order of the former, and then by the bands in common; at most ``most`` of a text.
        """
        import numpy as np

        own = np.sort(entries, axis=None)
        found = [_lookup(run, own) for run in (*self._runs, own)]
        pairs, shared = np.unique(np.concatenate(found), return_counts=True)
        texts, others = pairs >> np.uint64(32), pairs & np.uint64(_LOW)
        order = np.lexsort((others, -shared, texts))
        texts, others = texts[order], others[order]
        rank = np.arange(len(texts)) - np.searchsorted(texts, texts)
        return zip(texts[rank < most].tolist(), others[rank < most].tolist(), strict=True)

    def add(self, entries: NDArray[np.uint64]) -> None:
        """Keep entries, so that later texts find them."""
        import numpy as np

        run = np.sort(entries, axis=None)
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)


def rows_of_band(threshold: float, permutations: int) -> int:
    """The most minima to a band with which pairs at the threshold still share a band with a probability of :data:`RECALL`."""
    rows = range(1, permutations + 1)
    return max((r for r in rows if 1 - (1 - threshold**r) ** (permutations // r) >= RECALL), default=1)


def _mix(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of MurmurHash3: every bit depends on every other."""
    import numpy as np

    for shift, factor in ((33, 0xFF51AFD7ED558CCD), (33, 0xC4CEB9FE1A85EC53)):
        hashes = (hashes ^ (hashes >> np.uint64(shift))) * np.uint64(factor)
    return hashes ^ (hashes >> np.uint64(33))


def _lookup(run: NDArray[np.uint64], entries: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Pairs (number of an entry << 32 | an earlier number under the same hash) of both sorted; the earliest of a crowd."""
    import numpy as np

    hashes = entries & ~np.uint64(_LOW)
    start = np.searchsorted(run, hashes)
    found = []
    for place in range(CROWD):
        at = np.minimum(start + place, len(run) - 1)
        hit = (run[at] & ~np.uint64(_LOW) == hashes) & (start + place < len(run)) & (run[at] < entries)
        if not hit.any():
            break
        found.append((entries[hit] << np.uint64(32)) | (run[at[hit]] & np.uint64(_LOW)))
        start, hashes, entries = start[hit], hashes[hit], entries[hit]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
