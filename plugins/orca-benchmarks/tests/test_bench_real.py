"""The real files of BIG-Bench Hard and AGIEval: all of them load, chance and majority are the sheet's, prompts are exact."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from orca_benchmarks.loading.bbh import MULTIPLE_CHOICE, TASKS
from orca_benchmarks.references import published

from orca_core import Prompt, Score, Trace
from orca_core.records import content_id
from orca_core.stats import macro_average

sys.path.insert(0, str(Path(__file__).parent))
from bench_data import by_metric, choosing, evaluator, guesser, oracle

ALL: dict[str, Any] = {"protocols": ("paper", "robust", "likelihood"), "tasks": ("all",)}
GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("prompts.json").read_text(encoding="utf-8"))
SUITES = ("bbh", "agieval")


@pytest.fixture(scope="module")
def suites(shared: Path) -> dict[str, tuple[Any, list[Prompt]]]:
    parts = {suite: evaluator(suite, path=shared / suite, **ALL) for suite in SUITES}
    return {suite: (part, list(part.prompts())) for suite, part in parts.items()}


def of_protocol(prompts: list[Prompt], protocol: str) -> list[Prompt]:
    return [prompt for prompt in prompts if prompt.query.meta["protocol"] == protocol]


def scores_of(suites: Any, suite: str, answer: Callable[[Prompt], Trace]) -> list[Score]:
    part, prompts = suites[suite]
    return [score for score in part.score(map(answer, prompts)) if "points" not in score.metric]


def test_all_items_load(suites: Any) -> None:
    bbh, agieval = (prompts for _, prompts in suites.values())
    counts = Counter(p.query.task for p in of_protocol(bbh, "robust"))
    assert sum(counts.values()) == 6511
    assert set(counts) == set(TASKS)
    assert sum(counts[task] for task in MULTIPLE_CHOICE) == len(of_protocol(bbh, "paper")) == 5511
    assert set(MULTIPLE_CHOICE) == set(published("bbh").tasks)
    for protocol in ALL["protocols"]:
        found = Counter(p.query.task for p in of_protocol(agieval, protocol))
        assert found == {task: row["n"] for task, row in published("agieval").tasks.items()}
        assert sum(found.values()) == 2546
    assert {task: counts[task] for task in MULTIPLE_CHOICE} == {t: r["n"] for t, r in published("bbh").tasks.items()}
    assert len({p.id for p in bbh + agieval}) == len(bbh) + len(agieval)


@pytest.mark.parametrize("suite", SUITES)
def test_an_oracle_is_right_on_every_item_and_chance_and_majority_are_the_sheets(suites: Any, suite: str) -> None:
    sheet = published(suite)
    for score in scores_of(suites, suite, oracle):
        assert (score.value, score.format_ok) == (1.0, 1.0), score.task
        if score.task in sheet.tasks:
            row = sheet.tasks[score.task]
            assert score.n == row["n"]
            assert score.chance == pytest.approx(row["random"] / 100, abs=0.001)
            assert score.references["majority"] == pytest.approx(
                row.get("majority", 100 * score.references["majority"]) / 100, abs=0.0006
            )
            assert score.references["Orca-13B"] == pytest.approx(row["Orca-13B"] / 100)
        else:
            assert score.chance == 0


@pytest.mark.parametrize("suite", SUITES)
def test_the_averages_of_the_columns_are_the_papers(suites: Any, suite: str) -> None:
    sheet = published(suite)
    scores = [s for s in scores_of(suites, suite, oracle) if s.metric == "accuracy (paper)"]
    average = macro_average(scores)
    assert average.n == sheet.average["n"]
    assert average.chance == pytest.approx(sheet.average["random"] / 100, abs=0.001)
    for column in set(sheet.columns) - {"n", "random"}:
        assert average.references[column] == pytest.approx(sheet.average[column] / 100, abs=0.001), column


@pytest.mark.parametrize("suite", SUITES)
def test_a_random_guesser_scores_chance(suites: Any, suite: str) -> None:
    for score in scores_of(suites, suite, guesser(4)):
        assert score.chance is not None
        sigma = sqrt(score.chance * (1 - score.chance) / score.n)
        assert abs(score.value - score.chance) <= 3 * sigma, (score.task, score.metric, score.value, score.chance)


@pytest.mark.parametrize("suite", SUITES)
def test_always_a_scores_the_share_of_a(suites: Any, suite: str) -> None:
    _, prompts = suites[suite]
    scores = by_metric(scores_of(suites, suite, choosing(lambda p: p.choices[0] if p.choices else "(A)")))
    for task in {p.query.task for p in prompts}:
        golds = [p.query for p in of_protocol(prompts, "paper") if p.query.task == task]
        if not golds:
            continue
        share = sum(query.target == "(A)" for query in golds) / len(golds)
        assert scores[task, "accuracy (paper)"].value == pytest.approx(share)
        assert scores[task, "accuracy (likelihood)"].value == pytest.approx(share)
        worded = suite == "bbh" and TASKS[task].form == "word"
        split = sum(
            p.query.meta["form"] == "text" and p.query.meta["gold"] == 0 for p in prompts if p.query.task == task
        )
        assert scores[task, "accuracy (robust)"].value == pytest.approx(0 if worded else share, abs=split / len(golds))


@pytest.mark.parametrize("suite", SUITES)
def test_the_majority_class_scores_the_majority_column(suites: Any, suite: str) -> None:
    part, prompts = suites[suite]
    for protocol in ALL["protocols"]:
        asked = of_protocol(prompts, protocol)
        targets: dict[str, Counter[str]] = {}
        for prompt in asked:
            targets.setdefault(prompt.query.task, Counter())[prompt.query.target or ""] += 1
        most = {task: counter.most_common(1)[0][0] for task, counter in targets.items()}
        for score in part.score(map(choosing(lambda p, most=most: most[p.query.task]), asked)):
            # an item of snarks has one option only: none other can be its likeliest
            alone = sum(len(p.choices) == 1 for p in asked if p.query.task == score.task) / score.n
            if "points" not in score.metric:
                assert score.value == pytest.approx(score.references["majority"], abs=alone + 1e-9), score.task


def hashes(prompts: list[Prompt]) -> dict[str, dict[str, list[str]]]:
    """Of the first and the last prompt of each task and protocol: the exact text, system message, decoding and choices."""
    found: dict[str, dict[str, list[Prompt]]] = {}
    for prompt in prompts:
        found.setdefault(prompt.query.task, {}).setdefault(prompt.query.meta["protocol"], []).append(prompt)
    return {task: {name: [_hash(p[0]), _hash(p[-1])] for name, p in by.items()} for task, by in found.items()}


def _hash(prompt: Prompt) -> str:
    return content_id(prompt.query.text, prompt.system, json.dumps(prompt.decoding), *prompt.choices)


@pytest.mark.parametrize("suite", SUITES)
def test_the_prompts_of_two_items_of_every_task_are_exactly_as_ever(suites: Any, suite: str) -> None:
    assert hashes(suites[suite][1]) == GOLDEN[suite]


@pytest.mark.parametrize("suite", SUITES)
def test_the_papers_prompt_is_built_from_the_files_own_text(suites: Any, suite: str, shared: Path) -> None:
    """A second way to the same text: by cutting and joining strings of the raw file."""
    prompts = {
        task: [p for p in of_protocol(suites[suite][1], "paper") if p.query.task == task]
        for task in published(suite).tasks
    }
    for task, asked in prompts.items():
        if suite == "agieval":
            lines = (shared / suite / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
            texts = [_agieval(json.loads(line)) for line in lines]
        else:
            content = json.loads((shared / suite / f"{task}.json").read_text(encoding="utf-8"))
            texts = [_bbh(task, example["input"]) for example in content["examples"]]
        assert [p.query.text for p in asked] == texts
        assert {p.system for p in asked} == {""}
        assert all(p.decoding == {"temperature": 0.7} for p in asked)


def _agieval(row: dict[str, Any]) -> str:
    options = " ".join(row["options"])
    last = "ABCDE"[len(row["options"]) - 1]
    return (
        row["passage"] or ""
    ) + f"Q: {row['question']} Answer Choices: {options}\nA: Among A through {last}, the answer is"


def _bbh(task: str, text: str) -> str:
    question, _, options = text.partition("\nOptions:\n")
    lines = options.split("\n") if options else [f"- {word}" for word in TASKS[task].options]
    shown = [f"({chr(65 + i)}) {line[2:].strip()}" if line.startswith("- ") else line for i, line in enumerate(lines)]
    return f"Q: {question} Answer Choices: {' '.join(shown)}\nA: Among A through {chr(64 + len(shown))}, the answer is"


def test_questions_about_one_passage_are_one_cluster(suites: Any) -> None:
    prompts = of_protocol(suites["agieval"][1], "robust")
    clusters = {task: {p.query.cluster for p in prompts if p.query.task == task} for task in ("lsat-rc", "aqua-rat")}
    assert 1 < len(clusters["lsat-rc"]) < 269 / 4, "some five questions about each passage"
    assert len(clusters["aqua-rat"]) == 254, "questions without a passage stand for themselves"
