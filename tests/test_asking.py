"""Asking as a whole: one stream for a teacher that keeps its answers, dead letters, samples, verdicts, budgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_project import TOY_RUN

from orca_core import Prompt, Query
from orca_core.tables import read_rows
from orca_core.testing.project import Project

KEEPER = """
import json, os
from pathlib import Path
from orca_core import Component, Config, Estimate, OutOfBudgetError, Trace, hookimpl, unkeyed

class KeeperConfig(Config):
    "Adds; keeps what it answered in a file; refuses what it is told to refuse."
    refuse: tuple[str, ...] = unkeyed(())
    money: int = unkeyed(10**9)
    wrong: tuple[int, ...] = ()

class Keeper:
    keeps_answers = True

    def __init__(self, config, context):
        self.config, self.path = config, context.cache / "kept.json"

    def respond(self, prompts):
        calls = Path(os.environ["TOY_ASKED"])
        with calls.open("a") as log:
            log.write("call\\n")
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        for prompt in prompts:
            if prompt.query.text in self.config.refuse:
                with calls.open("a") as log:
                    log.write(f"refused {prompt.query.text}\\n")
                yield Trace(prompt, "", "keeper", finish_reason="error", error="too long for keeper")
                continue
            if prompt.id not in kept:
                if len(kept) >= self.config.money:
                    raise OutOfBudgetError(f"budget of {self.config.money} is spent")
                a, b = map(int, prompt.query.text.split(" + "))
                kept[prompt.id] = f"That makes {a + b + (prompt.sample in self.config.wrong)}"
                with calls.open("a") as log:
                    log.write(f"paid {prompt.query.text} {prompt.sample}\\n")
                self.path.write_text(json.dumps(kept))
            yield Trace(prompt, kept[prompt.id], "keeper", cost_usd=0.5)

    def estimate(self, prompts):
        n = len(list(prompts))
        return Estimate(n, cost_usd=0.5 * n)

@hookimpl
def orca_teachers():
    return [Component("keeper", KeeperConfig, Keeper)]
"""
RUN = (*(o for o in TOY_RUN if not o.startswith("teacher=")), "teacher=keeper", "sampler.n=30", "subjects=[student]")


@pytest.fixture
def keeper(project: Project) -> Project:
    project.plugin("keeper", KEEPER, distribution="orca-keeper")
    return project


def calls(project: Project) -> list[str]:
    return Path(project.env["TOY_ASKED"]).read_text().splitlines()


def paid(project: Project) -> list[str]:
    return [line for line in calls(project) if line.startswith("paid")]


def traces(project: Project) -> list[dict]:
    return list(read_rows(sorted(project.root.glob("store/ask/*/traces-*.parquet"))))


def questions(project: Project) -> list[str]:
    rows = read_rows(sorted(project.root.glob("store/sample/*/prompts-*.parquet")))
    return [row["query"] for row in rows if row["task"] == "sums"]


def test_a_teacher_that_keeps_its_answers_gets_all_prompts_in_one_stream_and_pays_once(keeper):
    result = keeper.orca("run", *RUN)
    assert result.returncode == 0, result.stderr
    assert len(paid(keeper)) == len(set(paid(keeper))) == len(traces(keeper))
    assert calls(keeper).count("call") == 2, "one stream, then one shard read back"
    assert all(row["correct"] is True for row in traces(keeper))


def test_dead_letters_stop_the_run_and_the_next_run_retries_just_those(keeper):
    assert keeper.orca("run", *RUN, "teacher.money=0").returncode == 2  # the prompts are drawn
    first, second = sorted(set(questions(keeper)))[:2]
    result = keeper.orca("run", *RUN, f"teacher.refuse=['{first}','{second}']")
    assert result.returncode == 2
    assert "2 x too long for keeper" in result.stderr
    assert "dead_letters=0." in result.stderr
    (listed,) = keeper.root.glob("store/ask/*/dead_letters.jsonl")
    assert {json.loads(line)["query"] for line in listed.read_text().splitlines()} == {first, second}
    assert len(calls(keeper)) == len(set(calls(keeper))) + calls(keeper).count("call") - 1, (
        "a dead letter is asked once a run"
    )
    before = len(paid(keeper))
    again = keeper.orca("run", *RUN)
    assert again.returncode == 0, again.stderr
    assert {line.split(maxsplit=1)[1].rsplit(" ", 1)[0] for line in paid(keeper)[before:]} == {first, second}
    assert all(row["finish_reason"] == "stop" for row in traces(keeper))
    assert not list(keeper.root.glob("store/ask/*/dead_letters.jsonl"))


def test_a_tolerated_share_of_dead_letters_goes_on_and_they_are_not_trained_on(keeper):
    assert keeper.orca("run", *RUN, "teacher.money=0").returncode == 2
    dead = sorted(set(questions(keeper)))[0]
    result = keeper.orca("run", *RUN, f"teacher.refuse=['{dead}']", "dead_letters=0.1")
    assert result.returncode == 0, result.stderr
    rows = traces(keeper)
    assert [row["query"] for row in rows if row["finish_reason"] == "error"] == [dead]
    assert len(rows) == len(set(questions(keeper))), "rows, dead letters among them, are the prompts"
    (dropped,) = keeper.root.glob("store/select/*/dropped.json")
    assert json.loads(dropped.read_text()) == {"finished: finish_reason=error": 1}


def test_a_spent_budget_says_what_is_left_and_its_cost_and_the_next_run_goes_on(keeper):
    result = keeper.orca("run", *RUN, "teacher.money=5")
    n = len(set(questions(keeper)))
    assert result.returncode == 2
    assert f"left to do: {n} prompts" in result.stderr, "the estimate of this toy knows no log"
    assert f"about ${n * 0.5:.2f}" in result.stderr
    assert len(paid(keeper)) == 5
    assert keeper.orca("run", *RUN).returncode == 0
    assert len(paid(keeper)) == len(set(paid(keeper))) == n


def test_several_answers_are_asked_of_a_prompt_and_wrong_ones_are_kept_but_can_be_deselected(keeper):
    more = ("curriculum.teacher.samples=3", "teacher.wrong=[1]", "selector=[finished,correct]")
    result = keeper.orca("run", *RUN, *more)
    assert result.returncode == 0, result.stderr
    rows, n = traces(keeper), len(set(questions(keeper)))
    assert len(rows) == 3 * n
    assert len({row["id"] for row in rows}) == 3 * n
    assert [row["sample"] for row in rows[:6]] == [0, 1, 2, 0, 1, 2]
    assert {(row["sample"], row["correct"]) for row in rows} == {(0, True), (1, False), (2, True)}
    (dropped,) = keeper.root.glob("store/select/*/dropped.json")
    assert json.loads(dropped.read_text()) == {"correct: wrong answer": n}


def test_samples_of_prompts_that_are_samples_have_numbers_of_their_own():
    first, second = Prompt(Query("1 + 1", "t")), Prompt(Query("1 + 1", "t"), sample=1)
    assert second.samples(1) == [second]
    assert len({sample.id for prompt in (first, second) for sample in prompt.samples(3)}) == 6
