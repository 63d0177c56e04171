"""The power law on curves whose exponent is known, and the command that reads finished runs."""

from __future__ import annotations

import json
import subprocess
import sys
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orca_scalelogic.__main__ import main
from orca_scalelogic.scaling import Floats, power_law, speed_up, steps_to_threshold

DEPTHS = (1, 2, 3, 4, 6, 8)


def steps(gamma: float, *, seeds: int, spread: float, rng: np.random.Generator) -> Floats:
    """T = 40 D^gamma times luck, ``[depths, seeds]``; a seed is slow or quick at all depths alike, and by itself at each."""
    depths = np.array(DEPTHS, dtype=float)[:, None]
    luck = rng.normal(0, spread, (1, seeds)) + rng.normal(0, spread, (len(DEPTHS), seeds))
    return np.asarray(40 * depths**gamma * np.exp(luck))


def test_the_first_step_at_the_threshold_counts_and_none_is_nan() -> None:
    assert steps_to_threshold([(300, 0.95), (100, 0.5), (200, 0.9), (250, 0.7)]) == 200
    assert steps_to_threshold([(100, 0.5)], threshold=0.5) == 100
    assert isnan(steps_to_threshold([(100, 0.89)]))
    assert isnan(steps_to_threshold([]))


@pytest.mark.parametrize("gamma", [1.04, 1.7, 2.6])
def test_an_exact_power_law_gives_its_exponent_and_constant(gamma: float) -> None:
    law = power_law(DEPTHS, steps(gamma, seeds=3, spread=0, rng=np.random.default_rng(0)))
    assert law is not None
    assert law.gamma.value == pytest.approx(gamma)
    assert law.gamma.ci95 == pytest.approx((gamma, gamma))
    assert law.constant == pytest.approx(40)
    assert law.r_squared == pytest.approx(1)


def test_a_curve_of_another_kind_is_told_by_its_r_squared() -> None:
    exponential = np.exp(np.array(DEPTHS, dtype=float))[:, None]
    law = power_law(DEPTHS, exponential)
    assert law is not None
    assert law.r_squared < 0.95


def test_the_interval_covers_the_true_exponent_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    laws = [power_law(DEPTHS, steps(1.7, seeds=8, spread=0.3, rng=rng)) for _ in range(60)]
    covered = [law.gamma.ci95[0] <= 1.7 <= law.gamma.ci95[1] for law in laws if law and law.gamma.ci95]
    assert len(covered) == 60
    assert 0.8 < np.mean(covered) <= 1.0


def test_censored_runs_are_dropped_and_counted_and_too_few_depths_are_no_fit() -> None:
    table = steps(2.0, seeds=2, spread=0, rng=np.random.default_rng(0))
    table[-1] = np.nan
    table[0, 1] = np.nan
    law = power_law(DEPTHS, table)
    assert law is not None
    assert (law.gamma.points, law.gamma.censored) == (9, 3)
    assert law.gamma.value == pytest.approx(2.0)
    table[1:] = np.nan
    assert power_law(DEPTHS, table) is None


def test_one_seed_gives_no_interval() -> None:
    law = power_law(DEPTHS, steps(1.5, seeds=1, spread=0.1, rng=np.random.default_rng(0)))
    assert law is not None
    assert law.gamma.ci95 is None


def test_a_table_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[depths, seeds\]"):
        power_law(DEPTHS, np.ones((2, 3)))
    with pytest.raises(ValueError, match="positive"):
        power_law((0, 1), np.ones((2, 3)))
    with pytest.raises(ValueError, match="same depths and seeds"):
        speed_up(np.ones((2, 3)), np.ones((3, 2)))


def test_the_speed_up_is_the_mean_ratio_of_pairs() -> None:
    rng = np.random.default_rng(2)
    uniform = steps(1.5, seeds=4, spread=0.2, rng=rng)
    curriculum = uniform / 1.8
    faster = speed_up(uniform, curriculum)
    assert faster is not None
    assert faster.value == pytest.approx(1.8)
    assert faster.ci95 == pytest.approx((1.8, 1.8))
    curriculum[0] = np.nan
    again = speed_up(uniform, curriculum)
    assert again is not None
    assert (again.points, again.censored) == (20, 4)
    assert speed_up(uniform, np.full_like(uniform, np.nan)) is None


def finished(directory: Path, sampler: dict[str, Any], seed: int, step: int, accuracy: float) -> None:
    """The parts of a run's report that are read."""
    tiers, high = sampler["tiers"], sampler["depths"][1]
    tasks = [f"{tier}-d{depth}" for tier in tiers for depth in range(1, high + 1)]
    report = {
        "config": {
            "seed": seed,
            "curriculum": {"one": {"sampler": sampler}, "teacher": {"sampler": sampler}},
            "evaluator": {"exam": {"name": "scalelogic"}},
            "student": {"name": "lightning"},
        },
        "scores": [
            {"subject": subject, "evaluator": "exam", "task": task, "value": value, "n": 50}
            for subject, value in (("student", accuracy), ("teacher", 1.0))
            for task in tasks
        ],
        # Each phase counts its own steps.
        "curves": [
            {"phase": "one", "points": [{"step": step // 2}]},
            {"phase": "teacher", "points": [{"step": step // 2}]},
        ],
    }
    directory.mkdir(parents=True)
    (directory / "report.json").write_text(json.dumps(report))


def test_the_command_reads_a_sweep_and_finds_the_exponents_and_the_speed_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = iter(range(1000))
    for tier, gamma in (("implication", 1.0), ("conjunction", 2.0)):
        for order, factor in (("scalelogic", 100), ("scalelogic-curriculum", 50)):
            for depth in (1, 2, 4):
                sampler = {"name": order, "tiers": [tier], "depths": [1, depth]}
                needed = factor * depth**gamma
                for seed in (0, 1):
                    for budget in (needed / 2, needed, 2 * needed):
                        finished(
                            tmp_path / str(next(jobs)), sampler, seed, int(budget), 0.95 if budget >= needed else 0.6
                        )
    mixed = {"name": "scalelogic", "tiers": ["implication", "negation"], "depths": [1, 2]}
    finished(tmp_path / "mixed", mixed, 0, 10, 1.0)
    other = {"name": "file", "tiers": ["implication"], "depths": [1, 2]}
    finished(tmp_path / "other", other, 0, 10, 1.0)
    command = [sys.executable, "-m", "orca_scalelogic", str(tmp_path), "--json", str(tmp_path / "out.json")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "gamma = 1.00 (95 % over seeds [1.00, 1.00]; 6 cells, 0 censored), T = 100 D^gamma" in result.stdout
    assert "gamma rises with expressiveness throughout: implication 1.00, conjunction 2.00" in result.stdout
    assert "lightning, conjunction: T uniform / T curriculum = 2.00" in result.stdout
    assert "| conjunction | curriculum | 4 | 800, 800 |" in result.stdout
    assert "left out: 1 runs not trained on scalelogic alone" in result.stdout
    assert "left out: 1 runs trained on several tiers" in result.stdout
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures[0]["steps"] == [[100, 100], [200, 200], [400, 400]]
    assert [grid["order"] for grid in figures] == ["uniform", "curriculum"] * 2
    assert main([str(tmp_path), "--threshold", "0.99"]) == 0
    strict = capsys.readouterr().out
    assert "| implication | uniform | 1 | - (95 %), - (95 %) |" in strict
    assert "no fit, fewer than two depths were learnt" in strict
    assert "none of its cells was learnt both ways" in strict


def test_the_command_says_what_is_missing_or_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no")]) == 2
    assert "no such directory" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "no report.json below" in capsys.readouterr().err
    (tmp_path / "report.json").write_text("{\n oops")
    assert main([str(tmp_path)]) == 2
    assert "report.json:2: not JSON" in capsys.readouterr().err


def test_the_fit_is_the_least_squares_line_of_another_implementation() -> None:
    table = steps(1.7, seeds=3, spread=0.3, rng=np.random.default_rng(3))
    table[2, 1] = np.nan
    rows, columns = np.nonzero(np.isfinite(table))
    slope, intercept = np.polyfit(np.log(np.array(DEPTHS)[rows]), np.log(table[rows, columns]), 1)
    law = power_law(DEPTHS, table)
    assert law is not None
    assert law.gamma.value == pytest.approx(slope)
    assert np.log(law.constant) == pytest.approx(intercept)


def test_a_student_that_measures_while_it_trains_is_a_whole_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, depth: int, seed: int, reached: int | None, levels: Any = None) -> None:
        points = [{"step": 0, "accuracy": 0.95, "questions": 60}, {"step": 5, "loss": 1.0}]
        points += [
            {"step": step, "accuracy": 0.9 if step == reached else 0.5, "questions": 60}
            for step in range(10, (reached or 200) + 1, 10)
        ]
        sampler = {"name": "scalelogic", "tiers": ["implication"], "depths": [1, depth]}
        config = {
            "seed": seed,
            "curriculum": {
                "warm-up": {"sampler": {"name": "elsewhere"}, "student": {"objective": "sft"}},
                "teacher": {"sampler": sampler, "student": {}},
            },
            "evaluator": {},
            "student": {"name": "grpo", "objective": "grpo", "levels": levels},
        }
        curves = [{"phase": "warm-up", "points": [{"step": 3, "accuracy": 1.0, "questions": 60}]}]
        report = {"config": config, "scores": [], "curves": [*curves, {"phase": "teacher", "points": points}]}
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report))

    for seed in (0, 1):
        run(f"d1-{seed}", 1, seed, 20)
        run(f"d2-{seed}", 2, seed, 80)
        run(f"d3-{seed}", 3, seed, None if seed else 180)
        run(f"c3-{seed}", 3, seed, 90, {"start": 1, "step": 1})
    assert main([str(tmp_path), "--json", str(tmp_path / "out.json")]) == 0
    said = capsys.readouterr().out
    assert "8 runs" in said
    assert "grpo; seeds 0, 1; accuracy on 60 to 60 questions" in said
    assert "| implication | uniform | 3 | 180, - (50 %) |" in said
    assert "gamma = 2.00" in said
    assert "5 cells, 1 censored" in said
    assert (
        "grpo, implication: T uniform / T curriculum = 2.00 (95 % over seeds [2.00, 2.00]; 1 cells, 1 censored)" in said
    )
    assert json.loads((tmp_path / "out.json").read_text())[0]["best"][2] == [0.9, 0.5]
