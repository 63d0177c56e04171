"""A sweep collated: jobs, variants over seeds, paired tests against baselines, and sweeps that are not whole."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from orca_core.errors import UserError
from orca_core.graph import Graph, Stage
from orca_core.pipeline import Outcome
from orca_core.records import Prompt, Query, Trace
from orca_core.report.callback import CollateSweep
from orca_core.report.collate import collate
from orca_core.report.sweep import Sweep
from orca_core.report.sweep_terminal import print_sweep
from orca_core.results import items
from orca_core.stats import macro_average, proportion_score
from orca_core.store import Slot
from orca_core.tables import write_traces

TASKS = {
    "boolean_expressions": 0.5,
    "multistep_arithmetic_two": 0.0,
    "tracking_shuffled_objects_five_objects": 0.2,
    "navigate": 0.5,
}
GAIN = {
    "answer-only": {},
    "brief": {"multistep_arithmetic_two": 0.15, "navigate": 0.1},
    "explained": {
        "boolean_expressions": -0.15,
        "multistep_arithmetic_two": 0.6,
        "tracking_shuffled_objects_five_objects": 0.35,
        "navigate": 0.3,
    },
}
"""Accuracy above answer-only's, which stands a little above chance."""


def write_job(
    directory: Path,
    overrides: Mapping[str, str],
    rates: Mapping[str, float],
    *,
    compare: str | None = None,
    n: int = 60,
    evaluator: str = "reasoning",
) -> None:
    """A job's report.json and items.json as the pipeline writes them; every job is asked the same items."""
    rng = random.Random(str(sorted(overrides.items())))
    scores = [
        proportion_score(
            task, {f"{task}-{i}": rng.random() < rate for i in range(n)}, chance=TASKS.get(task), format_ok=1.0
        )
        for task, rate in rates.items()
    ]
    averages = [macro_average(scores)] if len(scores) > 1 else []
    names = ("task", "metric", "value", "n", "ci95", "chance", "format_ok")
    report = {
        "name": "why-explanations",
        "scores": [
            {"subject": "student", "evaluator": evaluator} | {name: getattr(score, name) for name in names}
            for score in [*scores, *averages]
        ],
        "stages": [{"name": "ask", "cached": True, "seconds": 9.0}, {"name": "fit", "cached": False, "seconds": 120.0}],
        "curriculum": [{"phase": "teacher", "prompts": 4000, "kept": 3900}],
        "curves": [{"phase": "teacher", "points": [{"step": 1, "tokens": 100}, {"step": 9, "tokens": 1.5e6}]}],
        "config": {"seed": int(overrides.get("seed", 0)), "compare": compare},
        "overrides": ["+experiment=why-explanations", *(f"{key}={value}" for key, value in overrides.items())],
    }
    directory.mkdir(parents=True)
    (directory / "report.json").write_text(json.dumps(report))
    by_key = {f"{evaluator}/student/{score.task}/{score.metric}": dict(score.items) for score in scores}
    (directory / "items.json").write_text(json.dumps(by_key))


def write_sweep(
    root: Path, budgets: tuple[str, ...] = ("queries",), compare: str | None = None, seeds: int = 3
) -> Path:
    jobs = [(kind, budget, seed) for kind in GAIN for budget in budgets for seed in range(seeds)]
    for number, (kind, budget, seed) in enumerate(jobs):
        overrides = {"explanations": kind} | ({"budget": budget} if len(budgets) > 1 else {}) | {"seed": str(seed)}
        rates = {task: min(0.97, chance + 0.05 + GAIN[kind].get(task, 0.0)) for task, chance in TASKS.items()}
        write_job(root / str(number), overrides, rates, compare=compare)
    return root


def printed(sweep: Sweep, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_sweep(sweep, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def baselines(sweep: Sweep) -> dict[str, str]:
    return {one.variant: one.baseline for one in sweep.comparisons}


def test_jobs_that_differ_in_the_seed_alone_form_a_variant(tmp_path: Path) -> None:
    sweep = collate(write_sweep(tmp_path))
    assert [variant.label for variant in sweep.variants] == list(GAIN)
    assert [[job.seed for job in variant.jobs] for variant in sweep.variants] == [["0", "1", "2"]] * 3
    values = [
        row["value"] for job in range(3) for row in read(tmp_path / str(job))["scores"] if row["task"] == "average"
    ]
    assert sweep.variants[0].mean(("reasoning", "accuracy")) == pytest.approx(sum(values) / 3)


def read(directory: Path) -> Any:
    return json.loads((directory / "report.json").read_text())


def test_where_no_student_was_scored_the_first_subject_is_compared(tmp_path: Path) -> None:
    students, teachers = write_sweep(tmp_path / "students"), write_sweep(tmp_path / "teachers")
    for path in (*teachers.glob("*/report.json"), *teachers.glob("*/items.json")):
        path.write_text(path.read_text().replace('"student"', '"teacher"').replace("/student/", "/teacher/"))
    assert collate(teachers).comparisons == collate(students).comparisons != []


def test_a_win_and_a_loss_are_both_found_and_told_apart(tmp_path: Path) -> None:
    sweep = collate(write_sweep(tmp_path))
    measure = ("reasoning", "accuracy")
    overall = sweep.comparison(measure, "explained")
    win = sweep.comparison(measure, "explained", "multistep_arithmetic_two")
    loss = sweep.comparison(measure, "explained", "boolean_expressions")
    assert overall is not None
    assert win is not None
    assert loss is not None
    assert overall.difference.estimate == pytest.approx(0.275, abs=0.06)
    assert overall.p_items_holm < 0.01
    assert overall.p_seeds_holm is not None
    assert overall.p_seeds_holm < 0.05
    assert win.difference.wins > 60 > 20 > win.difference.losses
    assert loss.difference.estimate < 0
    assert all(one.p_items_holm >= one.difference.p_items for one in sweep.comparisons)


def test_each_budget_has_its_own_baseline(tmp_path: Path) -> None:
    sweep = collate(write_sweep(tmp_path, ("queries", "tokens"), compare="explanations=brief", seeds=1))
    assert baselines(sweep) == {
        f"{kind}, {budget}": f"brief, {budget}"
        for budget in ("queries", "tokens")
        for kind in ("answer-only", "explained")
    }
    assert [len(stratum) for stratum in sweep.strata()] == [3, 3]


def test_without_a_named_baseline_the_first_value_of_the_first_choice_is_it(tmp_path: Path) -> None:
    assert set(baselines(collate(write_sweep(tmp_path, seeds=1))).values()) == {"answer-only"}


def test_a_baseline_that_no_job_has_is_a_note_not_a_guess(tmp_path: Path) -> None:
    sweep = collate(write_sweep(tmp_path / "a", compare="explanation=brief", seeds=1))
    assert sweep.comparisons == []
    assert sweep.notes == [
        "compare=explanation=brief: the jobs do not differ in 'explanation'; did you mean 'explanations'?"
    ]
    other = collate(write_sweep(tmp_path / "b", compare="explanations=none", seeds=1))
    assert "no job with explanations=none gave a report" in other.notes[0]


def test_variants_asked_different_items_are_not_compared_and_say_so(tmp_path: Path) -> None:
    write_job(tmp_path / "0", {"lr": "1"}, {"navigate": 0.5})
    write_job(tmp_path / "1", {"lr": "2"}, {"navigate": 0.5})
    other = {"reasoning/student/navigate/accuracy": {"other": 1.0}}
    (tmp_path / "1" / "items.json").write_text(json.dumps(other))
    sweep = collate(tmp_path)
    assert sweep.comparisons == []
    assert "no item of a common seed and task" in sweep.notes[0]


def test_variants_whose_short_names_would_coincide_are_spelled_out(tmp_path: Path) -> None:
    write_job(tmp_path / "0", {"teacher.lr": "1"}, {"navigate": 0.5})
    write_job(tmp_path / "1", {"student.lr": "1"}, {"navigate": 0.5})
    assert [variant.label for variant in collate(tmp_path).variants] == ["teacher.lr=1", "student.lr=1"]


def test_a_sweep_over_seeds_alone_shows_their_mean_and_spread_without_a_test(tmp_path: Path) -> None:
    for seed in range(3):
        write_job(tmp_path / str(seed), {"seed": str(seed)}, {"navigate": 0.7, "boolean_expressions": 0.6})
    sweep = collate(tmp_path)
    assert [variant.label for variant in sweep.variants] == ["all"]
    assert sweep.comparisons == []
    assert re.search(r"all +\d+\.\d +\d+\.\d +3 ", printed(sweep))


def test_a_partly_failed_sweep_still_collates_what_is_there(tmp_path: Path) -> None:
    root = write_sweep(tmp_path)
    for file in ("report.json", "items.json"):
        (root / "3" / file).unlink()
    (root / "3" / ".hydra").mkdir()
    (root / "3" / ".hydra" / "overrides.yaml").write_text("[+experiment=why-explanations, explanations=brief, seed=0]")
    (root / "4" / "report.json").write_text('{"scores": [')
    (root / "8" / "items.json").unlink()
    sweep = collate(root)
    problems = {job.name: job.problem for job in sweep.jobs if job.problem}
    assert problems["3"] == "did not finish: no report.json"
    assert "report.json:1: not JSON" in problems["4"]
    assert set(problems) == {"3", "4"}
    assert [len(variant.jobs) for variant in sweep.variants] == [3, 1, 3]
    assert baselines(sweep).keys() == {"brief", "explained"}
    assert sweep.notes == ["job 8 kept no items: left out of the tests"]
    shown = printed(sweep, 120)
    assert re.search(r"3 +brief, seed=0", shown)
    assert "did not finish" in shown
    assert "2 without a report" in (root / "sweep.html").read_text()


def test_a_sweep_that_scores_nothing_misses_no_items(tmp_path: Path) -> None:
    root = write_sweep(tmp_path)
    for file in root.glob("*/report.json"):
        file.write_text(json.dumps(read(file.parent) | {"scores": []}))
        (file.parent / "items.json").unlink()
    assert collate(root).notes == []


def test_a_directory_without_jobs_says_what_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no job"):
        collate(tmp_path)
    with pytest.raises(UserError, match="is not a directory"):
        collate(tmp_path / "none")


def test_jobs_come_in_their_numbers_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_job(tmp_path / str(number), {"lr": str(number)}, {"navigate": 0.5})
    assert [job.name for job in collate(tmp_path).jobs] == ["1", "2", "10"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_tables_keep_to_the_width_and_show_every_job(tmp_path: Path, width: int) -> None:
    shown = printed(collate(write_sweep(tmp_path)), width)
    assert max(map(len, shown.splitlines())) <= width
    assert "\u2026" not in shown
    assert len(re.findall(r"2 min 00 s +50%", shown)) == 9
    assert "sweep.html" in "".join(shown.split())


def test_the_page_is_self_contained_escaped_and_holds_every_variant(tmp_path: Path) -> None:
    root = write_sweep(tmp_path, ("queries", "tokens"))
    hostile = "<script>alert(1)</script>"
    write_job(root / "99", {"explanations": hostile, "budget": "queries"}, dict.fromkeys(TASKS, 0.5))
    sweep = collate(root)
    page = (root / "sweep.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert all(link.startswith("#") for link in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert all(variant.label in page for variant in sweep.variants if hostile not in variant.label)
    assert len(page) < 600_000


def test_the_json_holds_jobs_variants_and_tests(tmp_path: Path) -> None:
    collate(write_sweep(tmp_path))
    data = json.loads((tmp_path / "sweep.json").read_text())
    assert len(data["jobs"]) == 9
    assert data["jobs"][0]["cached"] == 0.5
    assert data["variants"][0]["tokens"] == 1.5e6
    assert {"estimate", "ci95", "p_items", "p_items_holm", "p_seeds", "per_seed", "wins", "losses"} <= data[
        "comparisons"
    ][0].keys()
    assert len(data["comparisons"]) == 2 * (1 + len(TASKS))


def test_hydra_collates_a_sweep_when_its_last_job_has_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(tmp_path, seeds=1)
    CollateSweep().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert (tmp_path / "sweep.html").exists()
    assert "explained" in capsys.readouterr().out


def run_items(root: Path, system: str) -> dict[str, Mapping[str, float]]:
    """items.json's content for two questions asked with a system message, the first answered right."""
    prompts = [Prompt(Query("1 + 1", "sums"), system), Prompt(Query("2 + 2", "sums"), system)]
    answer = Stage("answer", "answer/student/e", "a", {}, lambda *_: {})
    score = Stage("score", "score/student/e", "s", {"traces": answer}, lambda *_: {})
    outcomes = [Outcome(stage, Slot(root / stage.kind), False, 1.0) for stage in (answer, score)]
    for outcome in outcomes:
        outcome.slot.path.mkdir(parents=True)
    write_traces(root / "answer" / "traces-0.parquet", [Trace(prompt, "2", "m") for prompt in prompts])
    scored = proportion_score("sums", {prompts[0].id: 1.0, prompts[1].id: 0.0}, chance=None, format_ok=None)
    (root / "score" / "scores.jsonl").write_text(json.dumps(asdict(scored)))
    return items(Graph((answer, score), {}, {("student", "e"): score}), outcomes)


def test_variants_asked_with_different_system_messages_share_their_items(tmp_path: Path) -> None:
    brief, explained = run_items(tmp_path / "a", "Be brief."), run_items(tmp_path / "b", "Think step by step.")
    assert brief == explained
    assert list(brief) == ["e/student/sums/accuracy"]
    assert list(brief["e/student/sums/accuracy"].values()) == [1.0, 0.0]


def test_questions_on_one_passage_are_one_piece_of_evidence_between_the_jobs_of_a_sweep(tmp_path: Path) -> None:
    passages = {f"{passage}-{i}": str(passage) for passage in range(12) for i in range(5)}
    for clustered in (False, True):
        for index, known in enumerate(({0, 1, 2, 3}, {0, 1, 4, 5, 6, 7, 8, 9, 10})):
            job = tmp_path / str(clustered) / str(index)
            write_job(job, {"student.layers": str(index)}, {"navigate": 0.5})
            right = {item: float(int(passage) in known) for item, passage in passages.items()}
            (job / "items.json").write_text(json.dumps({"reasoning/student/navigate/accuracy": right}))
            if clustered:
                (job / "clusters.json").write_text(json.dumps(passages))
    single, shared = (collate(tmp_path / str(clustered)).comparisons[0].difference for clustered in (False, True))
    assert shared.estimate == pytest.approx(single.estimate)
    assert single.p_items < 0.01 < 0.1 < shared.p_items
    assert shared.detectable > 2 * single.detectable


def test_malformed_clusters_say_what_is_expected(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=1)
    (tmp_path / "0" / "clusters.json").write_text("[1]")
    assert "clusters.json: expected {query id: cluster}" in collate(tmp_path).jobs[0].problem
