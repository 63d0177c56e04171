"""The gate: its counts and formulas, and that useless skills do not pass it."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from orca_skillgen.gate import Counts, Gate, paired_interval
from orca_skillgen.simulated.trial import lessons

DRAWS = 200


def counted(repairs: int, regressions: int, both: int = 50, neither: int = 30) -> Counts:
    """Counts of pairs by their outcome."""
    base = [False] * repairs + [True] * (regressions + both) + [False] * neither
    skill = [True] * repairs + [False] * regressions + [True] * both + [False] * neither
    return Counts.of(*({str(i): value for i, value in enumerate(side)} for side in (base, skill)))


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_p_value_is_the_exact_sum(repairs: int, regressions: int) -> None:
    total = repairs + regressions
    exact = sum(comb(total, i) for i in range(repairs, total + 1)) / 2**total
    counts = counted(repairs, regressions)
    assert (counts.n, counts.base_right) == (total + 80, regressions + 50)
    assert counts.p_value == (pytest.approx(exact) if repairs > regressions else 1.0)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (counted(9, 3, 48, 60), None),  # n = 120 asks for +6
        (counted(8, 3, 49, 60), "net +5 of 120, +6 is needed"),
        (counted(3, 0, 10, 7), None),  # at 20 questions it is +3
        (counted(2, 0, 10, 8), "net +2 of 20, +3 is needed"),
    ],
)
def test_the_authors_rule_asks_for_a_net_gain_alone(counts: Counts, reason: str | None) -> None:
    assert Gate().released(counts) == reason


def test_a_skill_that_breaks_too_much_is_refused_whatever_it_repairs() -> None:
    counts = counted(40, 10, 50, 20)
    assert Gate().released(counts) is None
    assert Gate().limited(counts) == "breaks 10 of 60 that were right, 5% is allowed"
    assert Gate(max_regression=0.2).limited(counts) is None


def test_a_gain_that_may_be_luck_is_refused_on_fresh_pairs() -> None:
    lucky = counted(18, 12, 60, 30)
    gate = Gate(max_regression=1)
    assert gate.limited(lucky) is None
    assert gate.final(lucky) == "p = 0.181, below 0.05 is needed"


def test_with_24_discordant_pairs_the_authors_rule_passes_a_useless_skill_as_often_as_computed() -> None:
    passes = sum(comb(24, r) for r in range(25) if Gate().released(counted(r, 24 - r, 60, 36)) is None) / 2**24
    assert passes == pytest.approx(0.154, abs=0.001)
    assert 1 - (1 - passes) ** 8 == pytest.approx(0.74, abs=0.005)


def test_fresh_pairs_refuse_useless_skills_that_eight_tries_let_through() -> None:
    rng, gate = np.random.default_rng(0), Gate(max_regression=1)
    passed = {"released": 0, "exact": 0}
    table = {(r, g): gate.final(counted(r, g, 60, 240 - 60 - r - g)) is None for r in range(60) for g in range(60)}
    for _ in range(DRAWS):
        tries = rng.multinomial(120, [0.1, 0.1, 0.8], size=8)
        if (tries[:, 0] - tries[:, 1] >= 6).any():
            passed["released"] += 1
            repairs, regressions, _ = rng.multinomial(240, [0.1, 0.1, 0.8])
            passed["exact"] += table[repairs, regressions]
    assert passed["released"] > DRAWS / 2
    assert passed["exact"] <= 0.05 * DRAWS


def test_placebo_skills_for_a_simulated_teacher_are_refused_in_95_of_100_draws() -> None:
    settings = {"induce": 20, "verify": 60, "fresh": 120, "rounds": 2}
    exact = [lesson.skill is None for lesson in lessons(DRAWS, **settings, max_regression=1)]
    assert sum(exact) >= 0.95 * DRAWS
    released = [lesson.skill is None for lesson in lessons(DRAWS // 4, **settings, gate="released")]
    assert sum(released) < 0.95 * DRAWS / 4, "the authors' rule alone does not do it"


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_interval_of_the_net_holds_it_and_turns_with_the_sides(r: int, g: int, both: int, neither: int) -> None:
    if r + g + both + neither:
        counts, turned = counted(r, g, both, neither), counted(g, r, both, neither)
        low, high = paired_interval(counts)
        assert -1 <= low <= counts.net / counts.n <= high <= 1
        assert paired_interval(turned) == (pytest.approx(-high), pytest.approx(-low))


def test_the_interval_of_the_net_is_newcombes() -> None:
    # both right 36, gained 0, lost 12, both wrong 2, by hand: phi = (72 - 25) / sqrt(48 * 2 * 36 * 14) = 0.2137, the Wilson
    # bounds of 36/50 are 0.5833 and 0.8253, those of 48/50 are 0.8654 and 0.9890
    low, high = paired_interval(counted(0, 12, 36, 2))
    phi, (a, b) = 47 / (48 * 2 * 36 * 14) ** 0.5, (0.72, 0.96)
    down, up = (a - 0.58330, 0.98896 - b), (0.82531 - a, b - 0.86536)
    assert low == pytest.approx(a - b - (down[0] ** 2 + down[1] ** 2 - 2 * phi * down[0] * down[1]) ** 0.5, abs=1e-3)
    assert high == pytest.approx(a - b + (up[0] ** 2 + up[1] ** 2 - 2 * phi * up[0] * up[1]) ** 0.5, abs=1e-3)


def test_the_interval_covers_in_95_of_100_draws() -> None:
    rng, shares = np.random.default_rng(1), [0.25, 0.05, 0.5, 0.2]
    intervals = [paired_interval(counted(*map(int, rng.multinomial(80, shares)))) for _ in range(1000)]
    assert 0.93 <= np.mean([low <= 0.2 <= high for low, high in intervals]) <= 0.97
