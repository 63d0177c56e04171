"""Groups within bounds, and chosen by nothing but seed and prompt."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_curation import BALANCE
from orca_curation.balance import quotas

from orca_core import Prompt, Query, Trace, UserError
from orca_core.testing import build, check_selector, make_context


def traces(**sizes: int) -> list[Trace]:
    made = [
        Trace(Prompt(Query(f"{name} {i}", "task", name), system=name), "a", f"model-{name}")
        for name, size in sizes.items()
        for i in range(size)
    ]
    random.Random(0).shuffle(made)
    return made


def balanced(given: Sequence[Trace], seed: int = 0, **config: Any) -> list[Trace]:
    selector = build(BALANCE, make_context(Path(), seed=seed), **{"by": "collection", **config})
    return [trace for trace, reason in check_selector(selector, given) if reason is None]


def counts(kept: Sequence[Trace]) -> dict[str, int]:
    return dict(Counter(trace.prompt.query.collection for trace in kept))


def test_no_group_is_above_the_bound_and_small_ones_are_whole() -> None:
    assert counts(balanced(traces(cot=5, niv2=40, t0=21), at_most=20)) == {"cot": 5, "niv2": 20, "t0": 20}


@pytest.mark.parametrize(
    ("shares", "kept"),
    [
        ({"cot": 0.5, "t0": 0.5}, {"cot": 10, "t0": 10}),
        ({"cot": 0.1, "niv2": 0.4, "t0": 0.5}, {"cot": 8, "niv2": 32, "t0": 40}),
        ({"cot": 0.25}, {"cot": 10, "niv2": 13, "t0": 17}),
        ({"t0": 0.1, "cot": 0.15}, {"cot": 6, "niv2": 32, "t0": 4}),
    ],
)
def test_shares_are_met_by_the_largest_whole_that_has_them(shares: dict[str, float], kept: dict[str, int]) -> None:
    assert counts(balanced(traces(cot=10, niv2=32, t0=40), shares=shares)) == kept


def test_a_bound_holds_under_shares_too() -> None:
    assert counts(balanced(traces(a=100, b=100), shares={"a": 0.75}, at_most=30)) == {"a": 30, "b": 10}


@pytest.mark.parametrize("by", ["collection", "system", "model"])
def test_groups_are_made_by_what_is_chosen(by: str) -> None:
    assert counts(balanced(traces(a=5, b=9), by=by, at_most=5)) == {"a": 5, "b": 5}
    assert len(balanced(traces(a=5, b=9), by="task", at_most=5)) == 5


def test_reasons_say_whether_a_group_is_full_or_has_no_share() -> None:
    selector = build(BALANCE, make_context(Path()), by="collection", shares={"a": 0.5, "b": 0.5})
    verdicts = check_selector(selector, traces(a=3, b=2, c=4))
    assert Counter(reason for _, reason in verdicts) == {
        None: 4,
        "enough of this collection": 1,
        "no share for this collection": 4,
    }


def test_a_share_of_a_group_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UserError, match="no trace has the collection 'flan2012'; did you mean 'flan2021'"):
        balanced(traces(flan2021=3), shares={"flan2012": 0.5})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "give at_most, or shares, or both"),
        ({"shares": {"a": 0.6, "b": 0.5}}, "shares add up to 1.1, which is more than 1"),
        ({"shares": {"a": 0.0}}, "greater than 0"),
    ],
)
def test_bounds_that_cannot_be_meant_are_errors(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BALANCE.config(by="task", **config)


def test_no_traces_are_balanced() -> None:
    assert balanced([], at_most=3) == []


def test_the_choice_depends_on_seed_and_prompts_but_not_on_their_order() -> None:
    given = traces(a=50, b=50)
    chosen = {trace.prompt.id for trace in balanced(given, at_most=10)}
    assert {trace.prompt.id for trace in balanced(given[::-1], at_most=10)} == chosen
    assert {trace.prompt.id for trace in balanced(given, seed=1, at_most=10)} != chosen
    assert chosen < {trace.prompt.id for trace in balanced(given, at_most=11)}, "a wider bound adds to what was chosen"


def test_every_trace_is_as_likely_as_every_other_of_its_group() -> None:
    given, seeds = traces(a=20), 300
    often = Counter(trace.prompt.query.text for seed in range(seeds) for trace in balanced(given, seed, at_most=5))
    five_sigma = 5 * (seeds * 0.25 * 0.75) ** 0.5
    assert all(abs(often[trace.prompt.query.text] - seeds * 0.25) < five_sigma for trace in given)


def test_of_the_same_prompt_twice_exactly_as_many_are_kept_as_allowed() -> None:
    assert len(balanced(traces(a=1) * 7, at_most=3)) == 3
    assert len(balanced(traces(a=3) * 5, at_most=7)) == 7


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 200), min_size=1)
WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10), max_size=4)


@settings(deadline=None)
@given(SIZES, WEIGHTS, st.integers(0, 10), st.none() | st.integers(1, 150))
def test_quotas_fit_what_is_there_and_are_within_one_of_their_shares(
    sizes: dict[str, int], weights: dict[str, int], spare: int, at_most: int | None
) -> None:
    whole = sum(weights.values()) + spare or 1
    shares = {group: weight / whole for group, weight in weights.items() if group in sizes}
    if sum(Fraction(str(share)) for share in shares.values()) > 1:
        return
    got = quotas(sizes, at_most, shares)
    total = sum(got.values())
    assert set(got) == set(sizes)
    there = {group: min(size, at_most or size) for group, size in sizes.items()}
    assert all(0 <= got[group] <= there[group] for group in sizes)
    if not shares:
        assert got == there
        return
    others = [group for group in sizes if group not in shares]
    named = sum(shares.values())
    scale = 1.0 if others and named < 1 else named
    assert all(abs(got[group] - share / scale * total) < 1 + 1e-6 for group, share in shares.items())
    best = min(there[group] / (share / scale) for group, share in shares.items())
    if others and named < 1 - 1e-9:
        best = min(best, sum(there[group] for group in others) / (1 - named))
    assert best - 1 - 1e-6 <= total <= best + 1e-6, "no larger whole has these shares"


@settings(deadline=None)
@given(SIZES, st.integers(1, 40), st.integers(0, 5))
def test_exactly_the_quota_of_every_group_is_kept(sizes: dict[str, int], at_most: int, seed: int) -> None:
    given = traces(**{group: min(size, 60) for group, size in sizes.items()})
    assert counts(balanced(given, seed, at_most=at_most)) == {
        group: min(size, 60, at_most) for group, size in sizes.items()
    }
