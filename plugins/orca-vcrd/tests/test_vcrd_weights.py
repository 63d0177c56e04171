"""What a step counts, by itself: the table of the formula, its limits, and the baselines as weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_vcrd import VcrdConfig
from orca_vcrd.weights import figures, step_weights, weights_of

NAN = float("nan")
SHARE = st.floats(0, 1)


def weight(teacher: float, student: float, **changed: Any) -> float:
    told: dict[str, Any] = {"beta": 4.0, "gamma": 1.0, "clip": (0.0, 2.0), **changed}
    return float(step_weights(np.array([teacher]), np.array([student]), **told)[0])


def test_weights_are_those_of_the_formula() -> None:
    assert weight(1, 0) == pytest.approx(1.964, abs=1e-3)
    assert weight(1, 1) == weight(0, 0, gamma=0) == 1
    assert weight(0, 1, gamma=0) == pytest.approx(0.036, abs=1e-3)
    assert weight(0, 1) == weight(0, 0) == 0, "an invalid step is never imitated"
    assert weight(0.5, 0.5) == 0.5
    assert weight(0.25, 0.25, gamma=0.5) == 0.5
    assert weight(1, 0, clip=(0.1, 1.5)) == 1.5
    assert weight(0, 1, clip=(0.1, 1.5)) == 0.1
    assert weight(1, 0, beta=0) == 1


def test_what_nobody_can_tell_changes_nothing() -> None:
    assert weight(1, NAN) == 1, "no proposal: no difference"
    assert weight(0, NAN) == 0
    assert weight(NAN, NAN) == weight(NAN, 1.0) == 1


@settings(deadline=None, max_examples=60)
@given(SHARE, SHARE, SHARE, st.floats(0, 8), st.floats(0, 3))
def test_a_step_counts_more_the_better_it_is_and_the_worse_the_students(
    teacher: float, student: float, other: float, beta: float, gamma: float
) -> None:
    told = {"beta": beta, "gamma": gamma}
    better, worse = max(student, other), min(student, other)
    assert 0 <= weight(teacher, better, **told) <= weight(teacher, worse, **told) + 1e-12 <= 2 + 1e-12
    assert weight(worse, teacher, **told) <= weight(better, teacher, **told) + 1e-12


def test_the_baselines_are_weights_of_nothing_and_one(configured: Callable[..., VcrdConfig]) -> None:
    teacher, student = np.array([1, 0, 1, 0.5, NAN]), np.full(5, NAN)
    owner = np.array([0, 0, 1, 1, 2])
    steps, closing = weights_of(configured(objective="steps"), teacher, student, owner, 3)
    assert (steps.tolist(), closing.tolist()) == ([1, 0, 1, 1, 1], [1, 1, 1])
    steps, closing = weights_of(configured(objective="traces"), teacher, student, owner, 3)
    assert (steps.tolist(), closing.tolist()) == ([0, 0, 1, 1, 1], [0, 1, 1]), "one invalid step, and all of it goes"
    steps, closing = weights_of(configured(gamma=0.0), teacher, student, owner, 3)
    assert (steps.tolist(), closing.tolist()) == ([1, 1, 1, 1, 1], [1, 1, 1])


def test_the_figures_tell_how_teacher_and_student_compare() -> None:
    told = figures(np.array([1, 0, 0, 1, NAN]), np.array([0, 1, 0, NAN, NAN]))
    assert told == {
        "teacher_valid": 0.5,
        "student_valid": pytest.approx(1 / 3),
        "teacher_behind": pytest.approx(1 / 3),
        "both_invalid": pytest.approx(1 / 3),
        "proposed": 0.75,
        "unjudged": 0.2,
    }
    assert figures(np.array([]), np.array([]))["unjudged"] == 0
