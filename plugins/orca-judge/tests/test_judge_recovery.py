"""Whether the figures are right, by simulation: judges of known bias and noise."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pytest
from orca_judge.resampling import RIDGE, alpha, draw, length_controlled
from simulated_judges import Judge, Reference, Say, answered, evaluator, points, scored, verdicts

BIAS = 0.15
SEEDS = range(120)


def covered(truth: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= truth <= interval[1]


def chances(seed: int, items: int = 80) -> list[str]:
    """Answers whose chance to win is uniform between 0.3 and 0.85: 0.575 in the mean."""
    rng = random.Random(f"items {seed}")
    return [f"chance {rng.uniform(0.3, 0.85):.4f}" for _ in range(items)]


def test_sound_mode_recovers_win_rate_and_position_bias_inside_their_intervals_19_times_of_20() -> None:
    hits = {"win rate": 0, "first-place win rate": 0, "tie rate": 0}
    truths = {"win rate": 0.9 * 0.575 + 0.1 / 2, "first-place win rate": 0.5 + 0.9 * BIAS, "tie rate": 0.1}
    for seed in SEEDS:
        found = scored(evaluator(Judge(verdicts(BIAS, ties=0.1), seed)), answered(chances(seed)))
        for metric, truth in truths.items():
            hits[metric] += covered(truth, found[metric].ci95)
    # 120 trials at 95 %: three standard errors are 6 points
    assert {metric: 0.89 <= count / len(SEEDS) <= 0.99 for metric, count in hits.items()} == dict.fromkeys(
        hits, True
    ), hits


def test_replies_that_cannot_be_read_leave_the_win_rate_unbiased() -> None:
    hits = 0
    for seed in range(60):
        found = scored(evaluator(Judge(verdicts(BIAS, unreadable=0.4), seed)), answered(chances(seed)))["win rate"]
        hits += covered(0.575, found.ci95)
        assert found.n < 80
        assert found.format_ok is not None
        assert 0.7 < found.format_ok < 0.95  # 1 - 0.4 ** 2
    assert hits >= 52


def test_the_papers_order_shows_the_bias_and_its_figures_move_with_it() -> None:
    """Footnote 18: 77.1 against ChatGPT shown second, 84.9 shown first."""
    bias, worth = 8 * 0.04404, [8 * 0.80496 + (item - 108.5) / 109 for item in range(218)]
    truth, reference = fmean(worth) / 8, Reference(lambda query: "reference 8.0")
    answers = answered([f"candidate {value:.3f}" for value in worth], "wizardlm")
    paper = scored(evaluator(Judge(points(bias, 0.4)), reference, mode="paper"), answers)["ratio"]
    sound = scored(evaluator(Judge(points(bias, 0.4)), reference, form="reviewer"), answers)
    assert paper.value == pytest.approx(0.771, abs=0.01)
    assert not covered(truth, paper.ci95)
    assert sound["ratio, reference first"].value == pytest.approx(0.771, abs=0.01)
    assert sound["ratio, candidate first"].value == pytest.approx(0.849, abs=0.01)
    assert covered(truth, sound["ratio, both orders"].ci95)
    assert sound["first-place win rate"].ci95[0] > 0.5
    assert (paper.references["Vicuna-13B / ChatGPT"], paper.references["Orca-13B / GPT-4"]) == (0.771, 0.784)
    assert sound["ratio, candidate first"].references == {"Vicuna-13B / ChatGPT": 0.8487}


def test_a_ratios_interval_covers_the_true_ratio_19_times_of_20() -> None:
    hits = 0
    for seed in SEEDS:
        rng = random.Random(f"points {seed}")
        worth = [rng.uniform(2, 9) for _ in range(80)]
        answers = answered(f"candidate {value:.3f}" for value in worth)
        reference = Reference(lambda query, worth=worth: f"r {0.5 * worth[int(query.text.split()[1][:-1])] + 4:.3f}")
        found = scored(evaluator(Judge(points(0.0, 0.5), seed), reference, mode="paper"), answers)["ratio"]
        hits += covered(5.5 / 6.75, found.ci95)
    assert 0.89 <= hits / len(SEEDS) <= 0.99, hits


def likes_length(theta: float, phi: float) -> Say:
    def say(answers: Sequence[str], rng: random.Random) -> str:
        first = answers[0].startswith("candidate")
        longer = (len(answers[0]) - len(answers[1])) * (1 if first else -1)
        chance = 1 / (1 + math.exp(-theta - phi * math.tanh(longer / SPREAD)))
        return f"[[{'A' if (rng.random() < chance) == first else 'B'}]]"

    return say


SPREAD, MEAN = 120.0, 100.0


def test_the_length_controlled_win_rate_takes_out_what_a_judge_likes_about_length() -> None:
    theta, hits, plain = 0.4, 0, []
    truth = 1 / (1 + math.exp(-theta))
    for seed in (seeds := range(60)):
        rng = random.Random(f"lengths {seed}")
        texts = [f"candidate {'x' * int(max(1, 390 + rng.gauss(MEAN, SPREAD)))}" for _ in range(120)]
        found = scored(
            evaluator(Judge(likes_length(theta, 1.2), seed), Reference(lambda q: "y" * 400)), answered(texts)
        )
        hits += covered(truth, found["length-controlled win rate"].ci95)
        plain.append(found["win rate"].value)
    assert fmean(plain) > truth + 0.08
    assert 0.87 <= hits / len(seeds) <= 1, hits


def test_the_regression_is_the_optimum_of_its_penalised_likelihood() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(1)
    longer, wins = rng.normal(50, 90, 60), rng.choice([0, 0.25, 0.5, 1], 60)
    x = np.tanh(longer / longer.std())

    def loss(p: np.ndarray) -> float:
        z = p[0] + p[1] * x
        return float(np.sum(np.logaddexp(0, z) - wins * z) + RIDGE / 2 * np.sum(p**2))

    best = minimize(loss, [0.0, 0.0]).x
    assert length_controlled(wins, longer, draw(60))[0] == pytest.approx(1 / (1 + math.exp(-best[0])), abs=1e-5)


@pytest.mark.parametrize("won", [0.0, 1.0])
def test_who_wins_everything_still_has_an_interval(won: float) -> None:
    found = scored(evaluator(Judge(verdicts())), answered([f"chance {won}"] * 20))
    for metric in ("win rate", "length-controlled win rate"):
        low, high = found[metric].ci95
        assert high - low > 0.1, metric
    assert found["win rate"].value == won


def test_alpha_is_krippendorffs() -> None:
    """The example of Krippendorff (2011), four observers and twelve units: 0.849 with the interval metric."""
    nan = math.nan
    data = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
            [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
        ]
    ).T
    found = alpha(data)
    assert found is not None
    assert found[0] == pytest.approx(0.849, abs=0.0005)
    assert found[1][0] < found[0] < found[1][1]
    assert alpha(np.ones((5, 2))) is None


@pytest.mark.parametrize(("say", "low", "high"), [(verdicts(), -0.2, 0.35), (lambda a, r: "[[A]]", None, None)])
def test_judges_agree_no_more_than_they_do(say: Say, low: float | None, high: float | None) -> None:
    judges = {"one": Judge(say, 1), "two": Judge(say, 2)}
    found = scored(evaluator(judges), answered(["chance 0.5"] * 150))
    if low is None:  # both always say the same: agreement cannot be told from having nothing to say
        assert "judge agreement (alpha)" not in found
        assert found["order agreement"].value == 0
        assert found["first-place win rate"].value == 1
    else:
        assert low < found["judge agreement (alpha)"].value < high  # type: ignore[operator]


def test_judges_that_go_by_the_answers_agree() -> None:
    def by_worth(answers: Sequence[str], rng: random.Random) -> str:
        worth = [float(text.split()[-1]) if "chance" in text else 0.5 for text in answers]
        return "[[A]]" if worth[0] > worth[1] else "[[B]]"

    answers = answered([f"chance {c}" for c in (0.2, 0.9, 0.8, 0.1, 0.7) * 6])
    same = scored(evaluator({"one": Judge(by_worth), "two": Judge(by_worth)}), answers)
    assert same["judge agreement (alpha)"].value == 1
