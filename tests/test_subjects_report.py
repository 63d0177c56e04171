"""Subjects of one run against each other: paired differences, disagreement with a teacher, and several samples of a question."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toy_project import TOY, TOY_RUN

from orca_core.records import Prompt, Query, Score, Trace
from orca_core.report.disagreement import CASES, disagreement
from orca_core.report.html import write_html
from orca_core.report.paired import compare_subjects
from orca_core.report.subjects import Disagreement, Paired
from orca_core.report.terminal import print_report
from orca_core.stats import holm, mcnemar, minimum_detectable_effect, proportion_score

TASKS = ("navigate", "word_sorting", "web_of_lies")
SKILL = {"student": 0.75, "base": 0.3, "teacher": 0.85}


def simulated(n: int = 100, metric: str = "accuracy") -> dict[str, list[Score]]:
    rng = random.Random(5)
    return {
        subject: [
            proportion_score(
                task,
                {f"{task} {i}": rng.random() < skill for i in range(n)},
                metric=metric,
                chance=0.5,
                format_ok=1.0,
            )
            for task in TASKS
        ]
        for subject, skill in SKILL.items()
    }


def items(scores: Mapping[str, list[Score]], subject: str, task: str) -> Mapping[str, float]:
    return next(score.items for score in scores[subject] if score.task == task)


def test_the_student_is_held_against_every_other_subject_task_by_task_and_on_average() -> None:
    scores = simulated()
    rows = compare_subjects("bbh", scores, {})
    assert [(row.subject, row.against, row.task) for row in rows] == [
        ("student", other, task) for other in ("base", "teacher") for task in (*TASKS, "average")
    ]
    for row in rows:
        assert row.ci95 is not None
        assert row.ci95[0] < row.estimate < row.ci95[1]
        if row.task != "average":
            mine, theirs = items(scores, "student", row.task), items(scores, row.against, row.task)
            test = mcnemar(mine, theirs)
            assert (row.test, row.p) == ("McNemar", test.p_value)
            assert row.estimate == pytest.approx((test.only_a - test.only_b) / 100)
            assert row.detectable == pytest.approx(minimum_detectable_effect(100, (test.only_a + test.only_b) / 100))
        else:
            assert (row.test, row.n) == ("sign flip", 300)
    assert [row.p_holm for row in rows] == holm([row.p for row in rows])
    assert {row.told for row in rows if row.against == "base"} == {1}
    assert rows[-1].told == -1


def test_items_of_clusters_are_tested_by_swapping_clusters() -> None:
    scores = simulated()
    prompts = {
        item: Prompt(Query(item, score.task, meta={"cluster": item[:-1]}))
        for subject in scores
        for score in scores[subject]
        for item in score.items
    }
    rows = compare_subjects("bbh", scores, prompts)
    assert {row.test for row in rows} == {"sign flip"}


def test_without_a_student_the_first_subject_is_compared_and_what_cannot_be_is_left_out() -> None:
    scores = simulated()
    del scores["student"]
    assert {(row.subject, row.against) for row in compare_subjects("bbh", scores, {})} == {("base", "teacher")}
    assert compare_subjects("bbh", {"student": scores["base"]}, {}) == []
    grades = [Score("open", "grade", 7.0, 2, (6, 8), items={"x": 6.0, "y": 8.0})]
    assert compare_subjects("judge", {"student": grades, "teacher": grades}, {}) == []


def answered(
    right: tuple[str, str], n: int, *, meta: Mapping[str, Any] = {}, task: str = "sums", start: int = 0
) -> list[tuple[Trace, Trace]]:
    """Student and teacher on ``n`` questions of a kind: the words with which each answers."""
    queries = [Query(f"{start + i} + 1?", task, target="7", meta=meta) for i in range(n)]
    return [tuple(Trace(Prompt(q), text, "m") for text in right) for q in queries]  # type: ignore[misc]


def part(pairs: list[tuple[Trace, Trace]], metrics: tuple[str, ...] = ("accuracy",)) -> list[Disagreement]:
    def score(side: int) -> list[Score]:
        tasks: dict[str, dict[str, bool]] = {}
        for pair in pairs:
            tasks.setdefault(pair[side].prompt.query.task, {})[pair[side].prompt.id] = "7" in pair[side].text
        return [
            proportion_score(task, outcomes, metric=metric, chance=None, format_ok=None)
            for metric in metrics
            for task, outcomes in tasks.items()
        ]

    prompts = {trace.prompt.id: trace.prompt for pair in pairs for trace in pair}
    traces = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return disagreement("e", ("student", "teacher"), (score(0), score(1)), prompts, traces)


PAIRS = [
    *answered(("It is 7.", "So it makes 7"), 40, meta={"template": "zero-shot", "tags": ["easy"]}),
    *answered(("It is 8.", "So it makes 7"), 30, meta={"template": "few-shot", "tags": ["easy", "long"]}, start=100),
    *answered(("It is 7.", "I cannot tell."), 20, meta={"template": "few-shot"}, start=200),
    *answered(("It is 8.", "The answer is 8"), 7, meta={"template": "zero-shot"}, start=300),
    *answered(("It is 8.", "The answer is 9"), 3, meta={"template": "zero-shot"}, task="more", start=400),
]


def test_who_is_right_is_counted_in_all_by_task_and_by_tag() -> None:
    (section,) = part(PAIRS)
    counts = section.all
    assert (counts.both, counts.only_teacher, counts.only_student, counts.neither) == (40, 30, 20, 10)
    assert (counts.same_wrong, counts.n) == (7, 100)
    assert {task: c.n for task, c in section.tasks.items()} == {"sums": 97, "more": 3}
    assert section.tasks["more"].same_wrong == 0
    assert {tag: (c.n, c.only_teacher) for tag, c in section.tags.items()} == {
        "template=few-shot": (50, 30),
        "template=zero-shot": (50, 0),
        "easy": (70, 30),
        "long": (30, 30),
    }


def test_a_key_of_meta_that_is_an_id_or_says_the_same_of_all_is_no_tag() -> None:
    pairs = [
        pair for i in range(30) for pair in answered(("7", "7"), 1, meta={"id": f"q{i}", "split": "test"}, start=i)
    ]
    assert part(pairs)[0].tags == {}


def test_cases_are_a_bounded_sample_of_each_kind_under_the_first_metric_alone() -> None:
    first, second = part(PAIRS, ("strict", "loose"))
    kinds = [case.kind for case in first.cases]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
        ("only_teacher", "only_student", "same_wrong", "neither"), CASES
    )
    assert (second.all, second.cases) == (first.all, [])
    assert first == part(PAIRS, ("strict", "loose"))[0]
    case = first.cases[0]
    assert (case.student, case.teacher, case.target) == ("It is 8.", "So it makes 7", "7")


def test_two_that_were_asked_under_different_system_messages_are_paired_by_question() -> None:
    query = Query("6 + 1?", "sums", target="7")
    pair = Trace(Prompt(query, "Be brief."), "8", "m"), Trace(Prompt(query, "Explain."), "It is 7.", "m")
    (section,) = part([pair])
    assert section.all.only_teacher == 1
    assert (section.cases[0].system, section.cases[0].teacher_system) == ("Be brief.", "Explain.")
    scores = {
        subject: [proportion_score("sums", {trace.prompt.id: "7" in trace.text}, chance=None, format_ok=None)]
        for subject, trace in zip(("student", "teacher"), pair, strict=True)
    }
    (row,) = compare_subjects("e", scores, {trace.prompt.id: trace.prompt for trace in pair})
    assert (row.estimate, row.n) == (-1.0, 1)


def test_options_are_the_same_by_letter_or_text_and_scored_choices_by_the_likeliest() -> None:
    query = Query("Which?", "mcq", target="7", choices=("7", "8", "9"))
    texts = Trace(Prompt(query), "So the answer is (B).", "m"), Trace(Prompt(query), "The answer is 8.", "m")
    assert part([texts])[0].all.same_wrong == 1
    scored = tuple(Trace(Prompt(query), "", "m", choice_logprobs=(-3.0, -1.0, -2.0)) for _ in "ab")
    assert part([scored])[0].all.same_wrong == 1  # type: ignore[list-item]
    silent = Trace(Prompt(query), "Who knows?", "m"), Trace(Prompt(query), "No idea.", "m")
    assert part([silent])[0].all.same_wrong == 0


def report_of(rows: list[Paired], sections: list[Disagreement]) -> dict[str, Any]:
    scores = [
        {"evaluator": rows[0].evaluator, "metric": row.metric, "task": row.task, "subject": subject, "value": 0.5}
        for row in rows
        for subject in (row.subject, row.against)
    ]
    found = {"comparisons": rows, "disagreement": sections}
    return {"scores": scores} | {name: [one.model_dump(mode="json") for one in of] for name, of in found.items()}


def show(report: dict[str, Any], directory: Path, width: int = 100) -> tuple[str, str]:
    write_html(report, directory / "report.html")
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(report, console)
    return (directory / "report.html").read_text(), console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120])
def test_page_and_terminal_show_the_differences_and_what_the_items_can_tell(tmp_path: Path, width: int) -> None:
    rows = compare_subjects("e", simulated(), {})
    page, shown = show(report_of(rows, part(PAIRS)), tmp_path, width)
    average = rows[-1]
    noise = f"{100 * (average.detectable or 0):.1f}"
    assert f"Against teacher, with 300 items a difference under {noise} points of the average is noise." in page
    assert re.search(rf"teacher +\u2212{abs(100 * average.estimate):.1f}", shown)  # type: ignore[operator]
    assert noise in shown
    assert "3 of 3" in shown
    assert max(map(len, shown.splitlines())) <= width
    assert re.search(r"e accuracy +teacher +40 +20 +30 +10 +7", shown)
    for task in TASKS:
        assert task.replace("_", " ") in page
    assert page.count("<small>3 drawn at random</small>") == 4
    assert "&lt;tr" not in page


def test_hostile_answers_stay_text_beside_each_other(tmp_path: Path) -> None:
    hostile = "</pre><script>alert('x')</script><img src=x onerror=alert(1)>[bold]\x1b[2J"
    pairs = [
        (
            Trace(
                Prompt(Query(hostile, hostile, target=hostile, meta={"tags": [hostile, str(i)]}), hostile), hostile, "m"
            ),
        )
        * 2
        for i in range(2)
    ]
    page, shown = show(report_of(compare_subjects("e", simulated(), {}), part(pairs)), tmp_path)
    assert not re.search(r"<(script|img)", page)
    assert "&lt;script&gt;" in page
    assert "\x1b" not in shown


SAMPLED = '''

class SampledConfig(Config):
    """Sums, each asked five times."""


class Sampled(AllSums):
    def prompts(self):
        for prompt in super().prompts():
            for sample in range(5):
                yield Prompt(prompt.query, sample=sample)


class PassagesConfig(Config):
    """Sums, those with the same first digit on one passage."""


class Passages(AllSums):
    def prompts(self):
        for prompt in super().prompts():
            query = prompt.query
            yield Prompt(Query(query.text, query.task, target=query.target, meta={"cluster": query.text[0]}))


@hookimpl
def orca_evaluators():
    return [
        Component("sampled", SampledConfig, lambda c, x: Sampled()),
        Component("passages", PassagesConfig, lambda c, x: Passages()),
    ]
'''


def test_samples_of_a_question_and_questions_on_a_passage_are_one_piece_of_evidence_in_a_whole_run(
    project, tmp_path: Path
) -> None:
    project.plugin("sampled", TOY.split("@hookimpl")[0] + SAMPLED)
    result = project.orca("run", *TOY_RUN[:3], "curriculum=single", "evaluator=[all-sums,sampled,passages]")
    assert result.returncode == 0, result.stderr
    run = project.reports()[0].parent
    report = json.loads((run / "report.json").read_text())
    scores = {(row["evaluator"], row["task"]): row for row in report["scores"] if row["subject"] == "student"}
    for task in ("low", "high", "average"):
        once, five = scores["all-sums", task], scores["sampled", task]
        # The toy student gives the same answer each time: five answers tell no more than one.
        assert five["value"] == once["value"]
        assert (five["n"], five["clusters"], once["clusters"]) == (5 * once["n"], once["n"], None)
        assert five["ci95"] == pytest.approx(once["ci95"], abs=0.03)
    values = json.loads((run / "items.json").read_text())
    assert values["sampled/student/low/accuracy"] == values["all-sums/student/low/accuracy"]
    pairs = {(row["evaluator"], row["against"], row["task"]): row for row in report["comparisons"]}
    for other in ("base", "teacher"):
        once, five = pairs["all-sums", other, "low"], pairs["sampled", other, "low"]
        assert (once["p"], once["n"], once["test"]) == (five["p"], five["n"], "McNemar")
        assert five["estimate"] == pytest.approx(once["estimate"])
        assert five["ci95"] == once["ci95"]
        assert five["detectable"] == pytest.approx(once["detectable"])
    parted = {section["evaluator"]: section for section in report["disagreement"]}
    assert parted["sampled"]["all"]["only_teacher"] == 5 * parted["all-sums"]["all"]["only_teacher"]
    passages = scores["passages", "low"]
    assert (passages["n"], passages["clusters"], passages["value"]) == (20, 5, scores["all-sums", "low"]["value"])
    assert passages["ci95"][1] > scores["all-sums", "low"]["ci95"][1]
    assert pairs["passages", "base", "low"]["test"] == "sign flip"
    clusters = json.loads((run / "clusters.json").read_text())
    assert set(clusters) == {query for task in ("low", "high") for query in values[f"all-sums/student/{task}/accuracy"]}
    assert set(clusters.values()) == set("0123456789")
    assert "100 in 20" in result.stdout
    assert "100 in 20" in (run / "report.html").read_text()
