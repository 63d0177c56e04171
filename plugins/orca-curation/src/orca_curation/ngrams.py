"""Texts held against texts by runs of three words, in numpy: which long passages they share, and which are near copies.

A *run* is three words that follow one another, known by its number among the runs of the texts that are indexed (-1: none of
theirs). A run that is *apart* sets a text apart from others; one that is not tells nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RUN: Final = 3
"""Words in a run."""
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_BITS_PER_KEY: Final = 16

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Flags = NDArray[np.bool_]


class Keys:
    """A set of 64-bit hashes, numbered from 0 in ascending order. A table of bits tells most of what is not in it."""

    def __init__(self, hashes: Hashes) -> None:
        self._keys = np.unique(hashes)
        bits = max(10, (len(self._keys) * _BITS_PER_KEY).bit_length())
        self._shift, self._perhaps = np.uint64(64 - bits), np.zeros(1 << bits, dtype=np.bool_)
        self._perhaps[self._keys >> self._shift] = True

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, hashes: Hashes) -> Ints:
        """The number of each hash, -1 where it is not in the set."""
        numbers = np.full(len(hashes), -1, dtype=np.int64)
        perhaps = np.flatnonzero(self._perhaps[hashes >> self._shift])
        places = np.searchsorted(self._keys, hashes[perhaps])
        found = self._keys[np.minimum(places, len(self._keys) - 1)] == hashes[perhaps]
        numbers[perhaps[found]] = places[found]
        return numbers


class Runs(NamedTuple):
    """The runs of some texts, text by text in the order of their words."""

    numbers: Ints
    texts: Ints
    """Which text each is in."""
    places: Ints
    """Its first word in that text."""

    @classmethod
    def of(cls, numbers: Ints, bounds: Ints) -> Runs:
        """Of the numbers of all texts' runs, those of text i between ``bounds[i]`` and ``bounds[i + 1]``."""
        counts = np.diff(bounds)
        return cls(numbers, np.repeat(np.arange(len(counts)), counts), _ranges(counts))


class Passages:
    """Passages of ``length`` words of the indexed texts, of which at least ``min_words`` are apart."""

    def __init__(self, indexed: Runs, apart: Flags, length: int, min_words: int) -> None:
        self._width = length - RUN + 1
        starts = self._starts(indexed)
        sums = np.concatenate([[0], np.cumsum(apart)])
        starts = starts[sums[starts + self._width] - sums[starts] > min(min_words, length) - RUN]
        hashes = self._hashed(indexed, starts)
        self._keys = Keys(hashes)
        self._texts = np.empty(len(self._keys), dtype=np.int64)
        self._texts[self._keys.find(hashes[::-1])] = indexed.texts[
            starts[::-1]
        ]  # the first text is the last to be written

    def find(self, runs: Runs) -> tuple[Ints, Ints]:
        """Where a passage begins that is among the indexed ones (an index into ``runs``), and the first text that has it."""
        starts = self._starts(runs)
        numbers = self._keys.find(self._hashed(runs, starts))
        found = numbers >= 0
        return starts[found], self._texts[numbers[found]]

    def _starts(self, runs: Runs) -> Ints:
        """Where so many known runs of one text follow one another."""
        if len(runs.numbers) < self._width:
            return np.empty(0, dtype=np.int64)
        known = np.concatenate([[0], np.cumsum(runs.numbers >= 0)])
        last = self._width - 1
        one_text = runs.texts[last:] == runs.texts[: len(runs.texts) - last]
        return np.flatnonzero(one_text & (known[self._width :] - known[: -self._width] == self._width))

    def _hashed(self, runs: Runs, starts: Ints) -> Hashes:
        hashes = np.zeros(len(starts), dtype=np.uint64)
        for offset in range(self._width):
            hashes = hashes * _MULTIPLIER + runs.numbers[starts + offset].astype(np.uint64)
        return hashes


class Copies:
    """Near copies of the indexed texts: those that have at least ``share`` of the words which set a text apart.

    A word is shared as part of a run that is shared. ``stems[i]`` is the number of words at the beginning of text i that are a
    copy of it by themselves (a question without its options). Texts with fewer than ``min_words`` words apart have no copies.
    """

    def __init__(self, indexed: Runs, apart: Flags, stems: Ints, share: float, min_words: int) -> None:
        self._share, self._stems = share, stems
        numbers, self._texts, self._places = (column[apart] for column in indexed)
        sizes, stem_sizes = self._covered(self._texts, self._texts, self._places, len(stems))
        self._sizes, self._stem_sizes = (np.where(size < min_words, np.inf, size) for size in (sizes, stem_sizes))
        order = np.argsort(numbers, kind="stable")
        self._texts, self._places = self._texts[order], self._places[order]
        self._offsets = np.searchsorted(numbers[order], np.arange(indexed.numbers.max(initial=-1) + 2))

    def find(self, runs: Runs) -> tuple[Ints, Ints, NDArray[np.float64]]:
        """Which texts are near copies, of which of the indexed ones, and the share of its words they have."""
        known = runs.numbers >= 0
        texts, numbers = np.unique(np.stack([runs.texts[known], runs.numbers[known]]), axis=1)
        counts = self._offsets[numbers + 1] - self._offsets[numbers]
        where = np.repeat(self._offsets[numbers], counts) + _ranges(counts)
        hits = np.stack([np.repeat(texts, counts), self._texts[where], self._places[where]])
        texts, indexed, places = hits[:, np.lexsort(hits[::-1])]
        new = np.ones(len(texts), dtype=np.bool_)
        new[1:] = (np.diff(texts) != 0) | (np.diff(indexed) != 0)
        pairs = np.cumsum(new) - 1
        texts, of = texts[new], indexed[new]
        whole, stem = self._covered(pairs, indexed, places, len(of))
        shares = np.maximum(whole / self._sizes[of], stem / self._stem_sizes[of])
        enough = shares >= self._share
        return texts[enough], of[enough], shares[enough]

    def _covered(self, groups: Ints, texts: Ints, places: Ints, count: int) -> tuple[Ints, Ints]:
        """How many words the runs at these places of indexed texts cover, and how many of the stem; by sorted group."""
        stem = places + RUN <= self._stems[texts]
        return _words(groups, places, count), _words(groups[stem], places[stem], count)


def _words(groups: Ints, places: Ints, count: int) -> Ints:
    reach = np.full(len(places), RUN)
    reach[:-1] = np.where(groups[1:] == groups[:-1], np.minimum(np.diff(places), RUN), RUN)
    return np.bincount(groups, weights=reach, minlength=count).astype(np.int64)


def _ranges(counts: Ints) -> Ints:
    """0, 1, ... of each count, one after the other."""
    ends = np.cumsum(counts)
    return np.arange(counts.sum()) - np.repeat(ends - counts, counts)
