"""The judge in whole runs of the ``orca`` command: planned, accounted for, shown, and never paid twice."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orca_core import ConfigError
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.plugins import load
from orca_core.testing import FakeOpenAI
from orca_core.testing.project import Project

ITEMS = 12
RUN = ("sampler=topics", "teacher=talker", "student=listener", "curriculum=single", "evaluator=[judge]")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A scratch project with questions, the reference's answers and somebody who talks."""
    project = Project(tmp_path)
    project.plugin("talk", Path(__file__).with_name("talk_plugin.py").read_text())
    project.env["ORCA_BLOCK_PLUGINS"] = "reasoning,lightning,parrot,flan,curation,cluster,transformers,smollm2"
    project.env["OPENAI_API_KEY"] = "sk-of-nobody"
    questions = [{"question_id": i, "turns": [f"Question {i}, what of it?"]} for i in range(ITEMS)]
    answers = [{"question_id": i, "text": f"So {'so ' * i}it is."} for i in range(ITEMS)]
    for name, rows in (("vicuna_bench", questions), ("vicuna_chatgpt", answers)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return project


def judged(*more: str, judge: str = "referee") -> tuple[str, ...]:
    return (
        *RUN,
        "evaluator.judge.path=vicuna_bench.jsonl",
        f"+teacher@evaluator.judge.judge={judge}",
        "+teacher@evaluator.judge.reference=answers",
        "evaluator.judge.reference.path=vicuna_chatgpt.jsonl",
        *more,
    )


def good(result: Any) -> str:
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


def latest(project: Project) -> dict[str, Any]:
    return dict(json.loads(project.reports()[-1].read_text()))


def test_a_run_is_planned_judged_billed_and_shown_and_another_mode_asks_no_subject_again(project: Project) -> None:
    plan = good(project.orca("plan", *judged("subjects=[student,teacher]")))
    (line,) = re.findall(r"^score/student/judge +(\d.*)$", plan, re.MULTILINE)
    assert line.split()[:4] == ["24", "2,400", "120", "$12.00"]
    good(project.orca("run", *judged("subjects=[student,teacher]")))
    report = latest(project)
    scores = {(s["subject"], s["metric"]): s for s in report["scores"]}
    won = scores["teacher", "win rate"]
    assert (won["task"], won["n"], won["chance"], won["format_ok"]) == ("vicuna", ITEMS, 0.5, 1.0)
    assert won["ci95"][0] <= won["value"] <= won["ci95"][1]
    assert scores["student", "first-place win rate"]["value"] == pytest.approx(0.5, abs=0.1)
    manifest = json.loads((project.reports()[-1].parent / "manifest.json").read_text())
    # the teacher's 4 answers and 12 more at $0.01, two subjects' 24 verdicts at $0.50
    assert manifest["totals"]["cost_usd"] == pytest.approx(16 * 0.01 + 48 * 0.5)

    shown = good(project.orca("run", *judged("subjects=[student,teacher]", "evaluator.judge.mode=paper")))
    paper = latest(project)
    cached = {stage["name"]: stage["cached"] for stage in paper["stages"]}
    assert cached["answer/student/judge"]
    assert cached["sample/judge"]
    assert not cached["score/student/judge"]
    (ratio,) = (s for s in paper["scores"] if (s["subject"], s["metric"]) == ("student", "ratio"))
    assert ratio["references"] == {
        "Vicuna-13B / ChatGPT": 0.92,
        "Orca-13B / ChatGPT": 1.015,
        "Vicuna-13B / GPT-4": 0.738,
        "Orca-13B / GPT-4": 0.877,
    }
    page = project.reports()[-1].with_suffix(".html").read_text()
    for text in (shown, page):
        assert "Orca-13B / GPT-4" in text
        assert "hostile answers" in text


def verdict(messages: Sequence[Any]) -> str:
    """Judges by length; cannot make up its mind about question 3, and does so in the second try about question 4."""
    text = messages[-1]["content"]
    first, second = re.findall(r"Start of[^\]]*\]\n(.*?)\n+\[The End", text, re.DOTALL)
    tries[text] = tries.get(text, 0) + 1
    if "Question 3," in text or ("Question 4," in text and tries[text] == 1):
        return "I cannot say."
    return "[[A]]" if len(first) >= len(second) else "[[B]]"


tries: dict[str, int] = {}


@pytest.mark.slow
def test_kill_9_in_the_middle_of_judging_pays_nothing_twice(project: Project) -> None:
    tries.clear()
    with FakeOpenAI(verdict, latency=0.15) as server:
        run = (
            "run",
            *judged(judge="openai-compatible"),
            "evaluator.judge.judge.model=openai/fake",
            f"evaluator.judge.judge.api_base={server.url}",
            "evaluator.judge.judge.workers=1",
            "subjects=[student]",
        )
        process = project.start(*run)
        deadline = time.monotonic() + 120
        while server.billed < 8:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        project.kill(process)
        time.sleep(0.4)
        assert server.billed < 2 * ITEMS
        left = good(project.orca("plan", *run[1:]))
        (line,) = re.findall(r"^score/student/judge +(\d+)", left, re.MULTILINE)
        assert int(line) in (2 * ITEMS - server.billed, 2 * ITEMS - server.billed + 1)  # the one that was on its way
        good(project.orca(*run))
        sent = {request.body["messages"][-1]["content"] for request in server.chats}
        assert len(sent) == 2 * ITEMS
        in_flight, again = 1, 4  # both orders of questions 3 and 4
        assert 2 * ITEMS + again <= server.billed <= 2 * ITEMS + again + in_flight
        assert {body["temperature"] for request in server.chats if (body := request.body)} == {0.0}
        assert {request.body["max_tokens"] for request in server.chats} == {2048}
    (won,) = (s for s in latest(project)["scores"] if s["metric"] == "win rate")
    assert (won["n"], won["format_ok"]) == (ITEMS - 1, pytest.approx(1 - 2 / 24))


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ((), "evaluator.judge.judge: missing"),
        (("evaluator.judge.judge={name: solvr}",), "evaluator.judge.judge: .*did you mean 'solver'"),
        (
            ("evaluator.judge.judge={a: {name: solver}, b: {name: solver, words: 3}}",),
            r"evaluator\.judge\.judge\.b\.words: unk",
        ),
        (("evaluator.judge.judge={name: solver}", "evaluator.judge.mode=papr"), "evaluator.judge.mode = 'papr': "),
    ],
)
def test_mistakes_in_a_judges_config_are_told_under_its_key(more: tuple[str, ...], complaint: str) -> None:
    base = ("evaluator=[judge]", "evaluator.judge.path=vicuna_bench.jsonl", "evaluator.judge.mode=single")
    plugins = load()
    with pytest.raises(ConfigError, match=complaint):
        check(compose_run((*base, *more), plugins)[0], plugins)
