"""The estimators by figures worked out by hand, and by the laws that information obeys."""

from __future__ import annotations

from math import log, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_infosynth.estimators import (
    Codes,
    codes,
    entropy,
    information,
    interval,
    joint,
    permutation_test,
    quartiles,
)

ROWS = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=60)


def columns(rows: list[tuple[int, ...]]) -> list[Codes]:
    return [np.array(column) for column in zip(*rows, strict=True)]


def table(counts: dict[tuple[int, int], int]) -> tuple[Codes, Codes]:
    """Rows with these counts by (x, y)."""
    x, y = columns([cell for cell, times in counts.items() for _ in range(times)])
    return x, y


def test_entropy_by_hand() -> None:
    x = np.array([0, 0, 1, 2])  # 1/2, 1/4, 1/4: 0.5 + 0.5 + 0.5
    assert entropy(x, corrected=False) == pytest.approx(1.5)
    assert entropy(x) == pytest.approx(1.5 + 2 / (8 * log(2)))  # three values: (3 - 1) / (2 * 4 ln 2)
    assert entropy(np.array([5, 5])) == entropy(np.array([], dtype=np.int64)) == 0


def test_information_by_hand() -> None:
    x, y = table({(0, 0): 3, (0, 1): 1, (1, 0): 1, (1, 1): 3})
    assert information(x, y, corrected=False) == pytest.approx(0.188722, abs=1e-6)  # 1 - H2(1/4)
    assert information(x, y) == pytest.approx(0.098554, abs=1e-6)  # ... - 1 / (16 ln 2): 2 + 2 - 4 - 1 occupied cells


def test_information_within_strata_by_hand() -> None:
    z = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    c = np.array([0, 0, 1, 1, 0, 1, 0, 1])
    s = np.array([0, 0, 1, 1, 0, 0, 1, 1])  # tells all in stratum 0, nothing in stratum 1
    assert information(c, s, z, corrected=False) == pytest.approx(0.5)
    # occupied cells: 4 of (c, z), 4 of (s, z), 6 of (c, s, z), 2 of z
    assert information(c, s, z) == pytest.approx(0.5 + (4 + 4 - 6 - 2) / (16 * log(2)))


def test_codes_and_quartiles() -> None:
    assert codes(["b", None, "b", ("c", 1)]).tolist() == [0, 1, 0, 2]
    assert joint(np.array([9, 9, 2]), np.array([0, 1, 0])).tolist() == [1, 2, 0]
    assert quartiles([5.0, 1.0, 3.0, 3.0]).tolist() == [3, 0, 1, 2]
    assert quartiles([]).tolist() == []


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.permutations(range(5)))
def test_a_signal_that_is_another_name_for_the_truth_tells_its_entropy(truth: list[int], names: list[int]) -> None:
    c = np.array(truth)
    s = np.array([names[value] for value in truth])
    for corrected in (False, True):
        assert information(c, s, corrected=corrected) == pytest.approx(entropy(c, corrected=corrected), abs=1e-9)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_counts_that_factorise_tell_nothing(a: list[int], b: list[int]) -> None:
    x, y = table({(i, j): p * q for i, p in enumerate(a) for j, q in enumerate(b)})
    assert information(x, y, corrected=False) == pytest.approx(0, abs=1e-9)


@settings(max_examples=40)
@given(ROWS, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_processing_a_variable_never_adds_to_what_it_tells(rows: list[tuple[int, ...]], mapped: list[int]) -> None:
    y, s, z = columns(rows)
    processed = np.array(mapped)[y]
    for strata in (None, z):
        whole = information(y, s, strata, corrected=False)
        assert -1e-9 <= information(processed, s, strata, corrected=False) <= whole + 1e-9


@settings(max_examples=40)
@given(ROWS)
def test_information_is_symmetric_and_keeps_the_chain_rule(rows: list[tuple[int, ...]]) -> None:
    x, y, z = columns(rows)
    assert information(x, y) == pytest.approx(information(y, x), abs=1e-9)
    for corrected in (False, True):
        parts = information(x, z, corrected=corrected) + information(x, y, z, corrected=corrected)
        assert information(x, joint(y, z), corrected=corrected) == pytest.approx(parts, abs=1e-9)


@settings(max_examples=40)
@given(ROWS)
def test_what_is_a_function_of_the_stratum_tells_nothing_in_it(rows: list[tuple[int, ...]]) -> None:
    c, _, z = columns(rows)
    s = z % 2
    assert information(c, s, z) == 0
    assert permutation_test(c, s, z, draws=20).p == 1


def test_the_correction_takes_the_bias_out_of_what_is_independent() -> None:
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 3, size=(2, 60)) for _ in range(400)]
    plain = np.mean([information(x, y, corrected=False) for x, y in pairs])
    corrected = np.mean([information(x, y) for x, y in pairs])
    assert plain == pytest.approx(4 / (2 * 60 * log(2)), rel=0.15)  # (3 - 1)(3 - 1) / (2 n ln 2)
    assert abs(corrected) < plain / 8


def test_under_the_null_p_values_are_uniform() -> None:
    rng = np.random.default_rng(1)
    found = []
    for seed in range(200):
        z = rng.integers(0, 3, size=60)
        c, s = rng.random((2, 60)) < np.array([0.2, 0.5, 0.8])[z]  # both follow z, and nothing else
        found.append(permutation_test(c * 1, s * 1, z, draws=19, seed=seed).p)
    for alpha in (0.05, 0.25, 0.5, 0.75):
        share = np.mean(np.array(found) <= alpha)
        assert abs(share - alpha) < 3.5 * np.sqrt(alpha * (1 - alpha) / 200), alpha


def test_samples_that_share_an_answer_count_as_one_in_the_test() -> None:
    """A coin for every answer, of which eight samples each are drawn: taken by the sample it looks like evidence."""
    rng = np.random.default_rng(2)
    by_block, by_row = [], []
    for seed in range(60):
        c, s = rng.integers(0, 2, size=(2, 12)).repeat(8, axis=1)
        z, blocks = np.zeros(96, dtype=np.int64), np.arange(12).repeat(8)
        by_block.append(permutation_test(c, s, z, blocks=blocks, draws=19, seed=seed).p)
        by_row.append(permutation_test(c, s, z, draws=19, seed=seed).p)
    assert np.mean(np.array(by_block) <= 0.05) < 0.12
    assert np.mean(np.array(by_row) <= 0.05) > 0.3


def test_a_signal_that_tells_something_is_found_out() -> None:
    rng = np.random.default_rng(3)
    c, z = rng.integers(0, 2, size=(2, 600))
    s = np.where(rng.random(600) < 0.3, 1 - c, c)
    found = permutation_test(c, s, z, draws=99)
    assert found.p == 0.01
    assert abs(found.null) < 0.01
    wanted = 1 + 0.3 * log2(0.3) + 0.7 * log2(0.7)
    low, high = interval(lambda rows: information(c[rows], s[rows], z[rows]), np.arange(600))
    assert low < wanted < high


def test_the_jackknife_of_a_mean_is_its_usual_interval_and_clusters_widen_it() -> None:
    from scipy.special import stdtrit

    values = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    mean = lambda rows: float(values[rows].mean())  # noqa: E731
    reach = stdtrit(7, 0.975) * values.std(ddof=1) / np.sqrt(8)
    assert interval(mean, np.arange(8)) == pytest.approx((values.mean() - reach, values.mean() + reach))
    low, high = interval(mean, np.array([0, 1, 0, 0, 1, 1, 1, 1]))
    assert high - low > 2 * reach
    with pytest.raises(ValueError, match="two clusters"):
        interval(mean, np.zeros(8, dtype=np.int64))
