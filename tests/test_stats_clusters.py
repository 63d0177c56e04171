"""Clusters, pairs and power: whether intervals cover the truth as often as they say, and tests agree with other people's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orca_core.records import Score
from orca_core.stats import (
    cluster_bootstrap,
    clustered,
    macro_average,
    mcnemar,
    minimum_detectable_effect,
    paired_difference,
    proportion_score,
    unpaired_detectable_effect,
    wilson,
    wilson_clustered,
)


@pytest.mark.parametrize("truth", [0.5, 0.9, 0.98])
def test_wilsons_interval_covers_the_truth_as_often_as_it_says(truth: float) -> None:
    rights, times = np.unique(np.random.default_rng(1).binomial(250, truth, size=20_000), return_counts=True)
    bounds = np.array([wilson(int(right), 250) for right in rights])
    covered = times[(bounds[:, 0] <= truth) & (truth <= bounds[:, 1])].sum() / 20_000
    assert 0.935 <= covered <= 0.975


def passages(
    rng: np.random.Generator, truth: float, count: int, most: int, correlation: float = 0.3
) -> tuple[list[float], list[int]]:
    """Right or wrong on questions of passages, each of which is harder or easier as a whole (beta-binomial)."""
    sizes = rng.integers(1, most + 1, count)
    spread = (1 - correlation) / correlation
    ease = rng.beta(truth * spread, (1 - truth) * spread, count)
    names = np.repeat(np.arange(count), sizes)
    return (rng.random(len(names)) < ease[names]).astype(float).tolist(), names.tolist()


@pytest.mark.parametrize(("truth", "least"), [(0.5, 0.93), (0.8, 0.92)])
def test_intervals_of_clustered_items_cover_the_truth_where_those_of_single_ones_do_not(
    truth: float, least: float
) -> None:
    rng, hits, rounds = np.random.default_rng(2), np.zeros(3), 400
    for _ in range(rounds):
        values, names = passages(rng, truth, 60, 8)
        intervals = [
            wilson_clustered(values, names),
            cluster_bootstrap(values, names, draws=500),
            wilson(sum(values), len(values)),
        ]
        hits += [low <= truth <= high for low, high in intervals]
    by_wilson, by_bootstrap, as_if_independent = hits / rounds
    assert least <= by_wilson <= 0.98
    assert least - 0.01 <= by_bootstrap <= 0.98
    assert as_if_independent < 0.85


@given(st.lists(st.integers(0, 1), min_size=30, max_size=200))
@settings(deadline=None, max_examples=50)
def test_clusters_of_one_item_give_the_plain_interval_but_for_the_t_quantile(values: list[int]) -> None:
    clustered_interval = wilson_clustered([float(v) for v in values], range(len(values)))
    assert clustered_interval == pytest.approx(wilson(sum(values), len(values)), abs=0.02)


def test_repeating_every_answer_adds_no_evidence() -> None:
    values = [float(i % 3 == 0) for i in range(90)]
    once = wilson_clustered(values, range(90))
    assert wilson_clustered(values * 5, list(range(90)) * 5) == pytest.approx(once)
    assert cluster_bootstrap(values * 5, list(range(90)) * 5) == pytest.approx(cluster_bootstrap(values, range(90)))


def test_clusters_that_are_all_right_or_a_single_one_do_not_give_a_nil_interval() -> None:
    low, high = wilson_clustered([1.0] * 200, [i // 10 for i in range(200)])
    assert (low, high) == (pytest.approx(0.82, abs=0.01), 1.0)
    assert wilson_clustered([1.0, 0.0, 1.0], ["a", "a", "a"]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="two clusters"):
        cluster_bootstrap([1.0, 2.0], ["a", "a"])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        wilson_clustered([1.5], ["a"])


def test_a_score_over_several_samples_of_a_question_is_as_wide_as_its_questions_allow() -> None:
    outcomes = {f"{q}-{s}": float(q % 2) for q in range(50) for s in range(8)}
    score = proportion_score("t", outcomes, chance=None, format_ok=1.0)
    widened = clustered(score, {item: item.split("-")[0] for item in outcomes})
    assert (widened.n, widened.clusters, widened.value) == (400, 50, 0.5)
    assert widened.ci95 == pytest.approx(wilson(25, 50), abs=0.01)
    assert clustered(score, {}) is score
    averaged = macro_average([widened, proportion_score("u", {"x": 1.0}, chance=None, format_ok=1.0)])
    assert (averaged.n, averaged.clusters) == (401, 51)
    assert averaged.ci95[1] - averaged.ci95[0] > macro_average([score, score]).ci95[1] - score.ci95[0]


def test_grades_beyond_one_are_bootstrapped_and_a_figure_that_is_no_mean_is_left_alone() -> None:
    items = {f"{q}-{s}": float(q % 10 + 1) for q in range(40) for s in range(4)}
    names = {item: item.split("-")[0] for item in items}
    grades = Score("open", "grade", 5.5, 160, (5.1, 5.9), items=items)
    low, high = clustered(grades, names).ci95
    assert low < 5.1 < 5.9 < high
    ratio = Score("open", "ratio", 0.9, 160, (0.8, 1.0), items=items)
    assert clustered(ratio, names) is ratio


@pytest.mark.parametrize("samples", [1, 5])
def test_the_paired_interval_covers_the_true_difference_as_often_as_it_says(samples: int) -> None:
    """Two subjects whose chances on a question go together; each is asked every question ``samples`` times."""
    rng, rounds, covered, true = np.random.default_rng(4), 400, 0, 0.1
    clusters = {f"{q}-{s}": q for q in range(120) for s in range(samples)}
    for _ in range(rounds):
        ease = rng.uniform(0.1, 0.8, 120)
        a, b = (
            (rng.random((120, samples)) < ease[:, None] + gain + rng.normal(0, 0.05, (120, 1))).astype(float)
            for gain in (true, 0.0)
        )
        low, high = paired_difference(
            {"": {"t": dict(zip(clusters, a.ravel().tolist(), strict=True))}},
            {"": {"t": dict(zip(clusters, b.ravel().tolist(), strict=True))}},
            clusters=clusters,
            flips=1,
            draws=500,
        ).ci95
        covered += low <= true <= high
    assert 0.92 <= covered / rounds <= 0.98


def test_the_sign_flip_test_swaps_whole_clusters() -> None:
    rng = np.random.default_rng(6)
    rejected = {"clusters": 0, "items": 0}
    for _ in range(200):
        luck = rng.choice([-1, 1], 30)  # a passage that one of two equals happens to know
        a = {f"{p}-{i}": float(luck[p] > 0) for p in range(30) for i in range(6)}
        b = {item: 1 - value for item, value in a.items()}
        clusters = {item: item.split("-")[0] for item in a}
        for kind, by in (("clusters", clusters), ("items", {})):
            found = paired_difference({"": {"t": a}}, {"": {"t": b}}, clusters=by, flips=199, draws=2)
            rejected[kind] += found.p_items <= 0.05
    assert rejected["clusters"] <= 20
    assert rejected["items"] > 60


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None, max_examples=50)
def test_mcnemars_test_agrees_with_statsmodels(only_a: int, only_b: int, same: int) -> None:
    from statsmodels.stats.contingency_tables import mcnemar as reference

    pairs = [(1.0, 0.0)] * only_a + [(0.0, 1.0)] * only_b + [(1.0, 1.0)] * (same + 1)
    a, b = ({str(i): pair[side] for i, pair in enumerate(pairs)} for side in (0, 1))
    expected = reference([[same + 1, only_a], [only_b, 0]], exact=True)
    assert mcnemar(a, b).p_value == pytest.approx(min(1.0, float(expected.pvalue)))


def test_holms_correction_agrees_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    from orca_core.stats import holm

    p_values = np.random.default_rng(0).uniform(0, 0.1, 30).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


@pytest.mark.parametrize(("n", "disagreement"), [(250, 0.2), (250, 0.04), (1000, 0.3), (60, 0.0)])
def test_the_minimum_detectable_effect_is_found_four_times_out_of_five(n: int, disagreement: float) -> None:
    """By McNemar's exact test, with the two disagreeing on as many items as they must to differ by so much."""
    from scipy.stats import binom

    effect = minimum_detectable_effect(n, disagreement)
    disagree = max(disagreement, effect)
    share = [(disagree + effect) / 2, (disagree - effect) / 2, 1 - disagree]
    wins, losses, _ = np.random.default_rng(8).multinomial(n, share, size=20_000).T
    found = (wins > losses) & (2 * binom.cdf(losses, wins + losses, 0.5) <= 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_the_unpaired_effect_is_found_four_times_out_of_five() -> None:
    effect = unpaired_detectable_effect(250)
    assert effect == pytest.approx(0.1253, abs=1e-4)
    rights = np.random.default_rng(9).binomial(250, [[0.5 + effect / 2], [0.5 - effect / 2]], size=(2, 20_000)) / 250
    z = (rights[0] - rights[1]) / np.sqrt(2 * 0.25 / 250)
    assert np.mean(z > 1.96) == pytest.approx(0.8, abs=0.03)


def test_a_comparison_tells_what_its_own_items_can_show() -> None:
    a = {"": {"t": {str(i): float(i < 60) for i in range(100)}}}
    b = {"": {"t": {str(i): float(i >= 55) for i in range(100)}}}
    assert paired_difference(a, b).detectable == pytest.approx(minimum_detectable_effect(100, 0.95))
    # Two tasks of like size stand for the sum of their items; never a difference: not under one point of nothing.
    both = paired_difference({"": {"t": a[""]["t"], "u": a[""]["t"]}}, {"": {"t": b[""]["t"], "u": b[""]["t"]}})
    assert both.detectable == pytest.approx(minimum_detectable_effect(200, 0.95))
    assert paired_difference(a, a).detectable == pytest.approx(2.8016**2 / 100, rel=1e-3)
    for wrong in ((0, 0.5), (10, 1.5)):
        with pytest.raises(ValueError, match="needs n > 0"):
            minimum_detectable_effect(*wrong)
        with pytest.raises(ValueError, match="needs n > 0"):
            unpaired_detectable_effect(*wrong)
