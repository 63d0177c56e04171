"""Packing: which examples share a row, as a plan of indices. No token moves here.

Best-fit decreasing on the histogram of lengths: examples of equal length are interchangeable, so the work depends on the
number of distinct lengths and of rows, not of examples. The rows are those of item-by-item best-fit decreasing, which fills
99.9 % and more of long rows. Which example of a length goes where, and the order of rows, are drawn anew for every epoch.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Rows of examples: row ``r`` holds the examples ``items[bounds[r]:bounds[r + 1]]``."""

    items: Ints
    bounds: Ints

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, row: int) -> Ints:
        return self.items[self.bounds[row] : self.bounds[row + 1]]


def patterns(lengths: Ints, capacity: int) -> list[tuple[tuple[int, ...], int]]:
    """Best-fit decreasing over the histogram of ``lengths``: (the lengths of a row, how many such rows).

    Raises:
        ValueError: a length exceeds ``capacity`` or is not positive.
    """
    if len(lengths) and (lengths.max() > capacity or lengths.min() < 1):
        raise ValueError(f"lengths must lie between 1 and {capacity}, not {lengths.min()} to {lengths.max()}")
    counts = np.bincount(lengths)
    values = np.flatnonzero(counts)
    rooms: dict[int, list[tuple[tuple[int, ...], int]]] = defaultdict(list)  # free tokens -> open rows
    for length, count in zip(values[::-1].tolist(), counts[values[::-1]].tolist(), strict=True):
        left = _fill(rooms, length, count)
        per_row = capacity // length
        if left >= per_row:
            rooms[capacity - per_row * length].append(((length,) * per_row, left // per_row))
        if left % per_row:
            rooms[capacity - left % per_row * length].append(((length,) * (left % per_row), 1))
    return [row for rows in rooms.values() for row in rows]


def _fill(rooms: dict[int, list[tuple[tuple[int, ...], int]]], length: int, count: int) -> int:
    """Put ``count`` items into the open rows, tightest first; returns how many found no room."""
    for room in sorted(room for room in rooms if room >= length):
        waiting = rooms.pop(room)
        while waiting and count:
            row, number = waiting.pop()
            # The best-fitting row stays the best-fitting one for the next item of this length as long as it has room.
            each = min(room // length, count)
            rows = min(number, count // each)
            rooms[room - each * length].append((row + (length,) * each, rows))
            if number > rows:
                waiting.append((row, number - rows))
            count -= rows * each
        if waiting:
            rooms[room] = waiting
        if not count:
            break
    return count


def pack(lengths: Ints, capacity: int, rng: np.random.Generator) -> Rows:
    """Rows of at most ``capacity`` tokens that hold every example once.

    Args:
        lengths: tokens of each example, ``[examples]``.
        capacity: tokens of a row.
        rng: draws which example of a length goes where, and the order of the rows.
    """
    shapes = patterns(lengths, capacity)
    narrow = np.min_scalar_type(capacity)  # numbers of 16 bits are sorted by their digits, in a fifth of the time
    row_lengths = np.array([length for row, number in shapes for _ in range(number) for length in row], dtype=narrow)
    sizes = np.array([len(row) for row, number in shapes for _ in range(number)], dtype=np.int64)
    shuffled = rng.permutation(len(lengths))
    by_length = shuffled[np.argsort(lengths.astype(narrow)[shuffled], kind="stable")]
    items = np.empty(len(lengths), dtype=np.int64)
    items[np.argsort(row_lengths, kind="stable")] = by_length
    order = rng.permutation(len(sizes))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    bounds = np.concatenate([[0], np.cumsum(sizes[order])])
    source = np.repeat(starts[order] - bounds[:-1], sizes[order]) + np.arange(len(items))
    return Rows(items[source], bounds)


def next_fit(lengths: Ints, capacity: int, rng: np.random.Generator) -> Rows:
    """The paper's packing: examples in random order, each into the row of the one before or, without room, a new one.

    Arguments and result are those of :func:`pack`.
    """
    items = rng.permutation(len(lengths))
    bounds, room = [0], capacity
    for place, length in enumerate(lengths[items].tolist()):
        if length > room:
            bounds.append(place)
            room = capacity
        room -= length
    return Rows(items, np.array([*bounds, len(items)], dtype=np.int64))


def alone(lengths: Ints, capacity: int, rng: np.random.Generator) -> Rows:
    """Examples in random order, each in a row of its own.

    Arguments and result are those of :func:`pack`.
    """
    return Rows(rng.permutation(len(lengths)), np.arange(len(lengths) + 1))
