"""Intervals and tests against scipy, against published values, and against what they promise (coverage, error rates)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orca_core.records import Score
from orca_core.stats import holm, macro_average, mcnemar, proportion_score, wilson
from orca_core.stats.differences import paired_difference


@settings(deadline=None)  # the first example imports scipy
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(case: tuple[int, int]) -> None:
    from scipy.stats import binomtest

    successes, n = case
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_is_exact_at_the_ends_and_knows_nothing_without_data() -> None:
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    with pytest.raises(ValueError, match="must lie in"):
        wilson(11, 10)


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1, allow_subnormal=False), min_size=1))
def test_a_score_keeps_its_items_and_its_value_lies_in_its_interval(outcomes: dict[str, float]) -> None:
    score = proportion_score("t", outcomes, chance=0.5, format_ok=1.0, references={"GPT-4": 0.9})
    assert score.items == outcomes
    assert score.n == len(outcomes)
    assert score.ci95[0] - 1e-9 <= score.value <= score.ci95[1] + 1e-9
    assert score.references == {"GPT-4": 0.9}


@pytest.mark.parametrize("outcomes", [{}, {"a": 1.5}, {"a": -0.1}, {"a": float("nan")}])
def test_a_score_refuses_what_is_no_proportion(outcomes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="task 'navigate'"):
        proportion_score("navigate", outcomes, chance=None, format_ok=None)


def make_score(task: str, right: int, n: int, **fields: object) -> Score:
    outcomes = {str(i): i < right for i in range(n)}
    options = {"chance": 0.5, "format_ok": 1.0} | fields
    return proportion_score(task, outcomes, **options)  # type: ignore[arg-type]


def test_the_average_weighs_tasks_alike_whatever_their_size() -> None:
    scores = [make_score("a", 10, 10, chance=0.5), make_score("b", 0, 990, chance=0.25, format_ok=0.5)]
    average = macro_average(scores)
    assert (average.task, average.value, average.n) == ("average", 0.5, 1000)
    assert (average.chance, average.format_ok) == (0.375, 0.75)


def test_the_average_has_only_what_every_task_has() -> None:
    scores = [
        make_score("a", 5, 10, references={"GPT-4": 0.6, "Orca": 0.4}),
        make_score("b", 5, 10, chance=None, format_ok=None, references={"GPT-4": 0.8}),
    ]
    average = macro_average(scores)
    assert average.references == pytest.approx({"GPT-4": 0.7})
    assert average.chance is None
    assert average.format_ok is None


def test_the_average_interval_is_the_stratified_one_for_large_n_and_not_nil_at_the_ends() -> None:
    large = macro_average([make_score("a", 3000, 10000), make_score("b", 8000, 10000)])
    error = np.sqrt(0.3 * 0.7 / 1e4 + 0.8 * 0.2 / 1e4) / 2
    assert large.ci95 == pytest.approx((0.55 - 1.96 * error, 0.55 + 1.96 * error), abs=1e-4)
    perfect = macro_average([make_score("a", 20, 20), make_score("b", 20, 20)])
    assert perfect.ci95[0] < 0.95
    assert perfect.ci95[1] == 1.0


def test_the_average_refuses_a_mix_of_metrics() -> None:
    with pytest.raises(ValueError, match="one metric"):
        macro_average([make_score("a", 1, 2), make_score("b", 1, 2, metric="f1")])
    with pytest.raises(ValueError, match="none"):
        macro_average([])


def test_the_average_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    truth = np.array([0.95, 0.5, 0.1, 0.99])
    hits = 0
    for _ in range(600):
        rights = rng.binomial(40, truth)
        low, high = macro_average([make_score(str(i), int(r), 40) for i, r in enumerate(rights)]).ci95
        hits += low <= truth.mean() <= high
    assert 0.93 <= hits / 600 <= 0.985


def test_mcnemar_is_the_exact_binomial_test_on_the_shared_items() -> None:
    from scipy.stats import binomtest

    a = {str(i): float(i < 60) for i in range(100)} | {"only a": 1.0}
    b = {str(i): float(i >= 55) for i in range(100)}
    test = mcnemar(a, b)
    assert (test.n, test.only_a, test.only_b) == (100, 55, 40)
    assert test.p_value == pytest.approx(binomtest(55, 95).pvalue)
    assert mcnemar(a, a).p_value == 1.0


def test_mcnemar_refuses_what_it_cannot_test() -> None:
    with pytest.raises(ValueError, match="no item in common"):
        mcnemar({"a": 1.0}, {"b": 1.0})
    with pytest.raises(ValueError, match="0 or 1"):
        mcnemar({"a": 0.5}, {"a": 1.0})


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]), ([0.5, 0.9], [1.0, 1.0]), ([], [])],
)
def test_holm_steps_down_and_never_reorders(p_values: list[float], corrected: list[float]) -> None:
    assert holm(p_values) == pytest.approx(corrected)


Variant = dict[str, dict[str, dict[str, float]]]


def simulate(
    rng: np.random.Generator,
    effect: float,
    *,
    seed_spread: float = 0.0,
    shared_items: bool = True,
    seeds: int = 3,
    tasks: int = 2,
    items: int = 40,
) -> tuple[Variant, Variant]:
    """Two variants whose true accuracies differ by ``effect``, plus normal luck per training run; hard and easy items."""
    a: Variant = {}
    b: Variant = {}
    hardness = rng.uniform(-0.2, 0.2, (seeds, tasks, items))
    for s in range(seeds):
        runs = rng.normal(0, seed_spread, 2)
        for variant, centre in ((a, 0.5 + effect / 2 + runs[0]), (b, 0.5 - effect / 2 + runs[1])):
            source = hardness[0] if shared_items else hardness[s]
            right = rng.random((tasks, items)) < np.clip(centre + source, 0, 1)
            name = "x" if shared_items else f"x{s}"
            variant[str(s)] = {f"t{t}": {f"{name}{i}": float(right[t, i]) for i in range(items)} for t in range(tasks)}
    return a, b


def test_a_difference_averages_items_then_tasks_then_seeds_over_what_both_have() -> None:
    a = {
        "1": {"x": {"i": 1.0, "j": 1.0}, "y": {"k": 1.0, "extra": 0.0}},
        "2": {"x": {"i": 1.0, "j": 1.0}, "y": {"k": 0.0}},
    }
    b = {
        "1": {"x": {"i": 0.0, "j": 1.0}, "y": {"k": 0.0}},
        "2": {"x": {"i": 0.0, "j": 0.0}, "y": {"k": 1.0}},
        "3": {"x": {"i": 1.0}},
    }
    difference = paired_difference(a, b)
    assert difference.per_seed == pytest.approx({"1": 0.75, "2": 0.0})
    assert difference.estimate == pytest.approx(0.375)
    assert (difference.items, difference.wins, difference.losses) == (6, 4, 1)


def test_the_seed_test_is_the_paired_t_test_and_needs_two_seeds() -> None:
    from scipy.stats import ttest_1samp

    a, b = simulate(np.random.default_rng(0), 0.3, seed_spread=0.1)
    difference = paired_difference(a, b)
    assert difference.p_seeds == pytest.approx(ttest_1samp(list(difference.per_seed.values()), 0).pvalue)
    assert paired_difference({"0": a["0"]}, {"0": b["0"]}).p_seeds is None


def test_the_same_comparison_gives_the_same_figures_and_its_mirror_the_opposite() -> None:
    a, b = simulate(np.random.default_rng(0), 0.2)
    assert paired_difference(a, b) == paired_difference(a, b)
    forth, back = paired_difference(a, b), paired_difference(b, a)
    assert forth.estimate == pytest.approx(-back.estimate)
    assert forth.p_items == back.p_items
    assert (forth.wins, forth.losses) == (back.losses, back.wins)


def test_a_clear_difference_is_found_and_none_is_invented_between_equals() -> None:
    a, b = simulate(np.random.default_rng(0), 0.3, items=200)
    found = paired_difference(a, b)
    assert found.p_items < 0.001
    assert found.ci95[0] > 0
    equal = paired_difference(a, a)
    assert (equal.estimate, equal.p_items, equal.p_seeds, equal.ci95) == (0.0, 1.0, None, (0.0, 0.0))


def test_repeating_the_same_answers_under_more_seeds_adds_no_evidence() -> None:
    a, b = simulate(np.random.default_rng(3), 0.1, seeds=1)
    once = paired_difference(a, b)
    thrice = paired_difference(dict.fromkeys("012", a["0"]), dict.fromkeys("012", b["0"]))
    assert thrice.p_items == pytest.approx(once.p_items, abs=0.02)


@pytest.mark.parametrize("shared_items", [True, False])
def test_the_item_test_rejects_equals_no_more_often_than_it_says(shared_items: bool) -> None:
    rng = np.random.default_rng(11)
    pairs = [simulate(rng, 0.0, shared_items=shared_items) for _ in range(300)]
    rejected = sum(paired_difference(a, b, flips=199, draws=20).p_items <= 0.05 for a, b in pairs)
    assert 3 <= rejected <= 27  # 15 expected; beyond 3 standard deviations otherwise


@pytest.mark.parametrize("shared_items", [True, False])
def test_the_interval_covers_new_seeds_and_items(shared_items: bool) -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        a, b = simulate(rng, 0.15, seed_spread=0.08, shared_items=shared_items)
        low, high = paired_difference(a, b, flips=1, draws=500).ci95
        covered += low <= 0.15 <= high
    assert covered / 200 >= 0.92


def test_variants_without_anything_in_common_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="no item of a common seed"):
        paired_difference({"1": {"t": {"i": 1.0}}}, {"2": {"t": {"i": 1.0}}})
    with pytest.raises(ValueError, match="no item of a common seed"):
        paired_difference({"1": {"t": {"i": 1.0}}}, {"1": {"t": {"j": 1.0}}})


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=60))
@example([(1, 0)] * 38 + [(0, 1)] * 22)
@settings(deadline=None, max_examples=40)
def test_with_one_seed_and_one_task_the_item_test_is_mcnemars(pairs: list[tuple[int, int]]) -> None:
    a = {str(i): float(x) for i, (x, _) in enumerate(pairs)}
    b = {str(i): float(y) for i, (_, y) in enumerate(pairs)}
    difference = paired_difference({"0": {"t": a}}, {"0": {"t": b}}, draws=2)
    assert difference.p_items == pytest.approx(mcnemar(a, b).p_value, abs=0.025)
