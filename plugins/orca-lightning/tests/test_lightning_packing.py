"""Packing as a plan of indices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_lightning.training.packing import pack

CAPACITY = 50


def best_fit_decreasing(lengths: list[int], capacity: int) -> list[list[int]]:
    """The textbook algorithm, item by item: the lengths in each row."""
    rows: list[list[int]] = []
    for length in sorted(lengths, reverse=True):
        open_rows = [row for row in rows if sum(row) + length <= capacity]
        if open_rows:
            max(open_rows, key=sum).append(length)
        else:
            rows.append([length])
    return rows


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, CAPACITY), max_size=60), st.integers(0, 5))
def test_every_example_is_in_one_row_and_the_rows_are_those_of_best_fit_decreasing(
    lengths: list[int], seed: int
) -> None:
    array = np.array(lengths, dtype=np.int64)
    rows = pack(array, CAPACITY, np.random.default_rng(seed))
    packed = [rows[i] for i in range(len(rows))]
    assert sorted(i for row in packed for i in row.tolist()) == list(range(len(lengths)))
    # Which of two equally full rows an item joins is left open; how full the rows become is not.
    assert sorted(array[row].sum() for row in packed) == sorted(map(sum, best_fit_decreasing(lengths, CAPACITY)))


def test_another_epoch_packs_other_examples_together_and_the_same_epoch_the_same() -> None:
    lengths = np.random.default_rng(0).integers(1, 30, 200)
    first, again, other = (pack(lengths, CAPACITY, np.random.default_rng([3, epoch])) for epoch in (0, 0, 1))
    assert np.array_equal(first.items, again.items)
    assert {frozenset(first[i].tolist()) for i in range(len(first))} != {
        frozenset(other[i].tolist()) for i in range(len(other))
    }


def test_many_examples_fill_long_rows_almost_completely() -> None:
    draw = np.random.default_rng(0)
    lengths = np.clip(draw.lognormal(5.3, 0.8, 200_000).astype(np.int64), 5, 2048)
    rows = pack(lengths, 2048, draw)
    assert lengths.sum() / (len(rows) * 2048) > 0.9995


@pytest.mark.parametrize("bad", [0, CAPACITY + 1])
def test_a_length_that_fits_no_row_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 50"):
        pack(np.array([3, bad]), CAPACITY, np.random.default_rng(0))
