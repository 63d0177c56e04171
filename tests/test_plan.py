"""What ``orca plan`` says, and that it says it of streams: each prompt drawn once, none kept."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_project import TOY_RUN

from orca_core import Prompt, Query
from orca_core.builtin import SubsetConfig, SubsetSampler
from orca_core.report import text
from orca_core.stats import reservoir

ESTIMATING = '''
import os
from pathlib import Path
from orca_core import Component, Config, Estimate, Prompt, Query, Trace, hookimpl
from orca_core.protocols import FitCost, FitEstimate

class CountedConfig(Config):
    """Sums, with a note of every time that they are drawn."""
    n: int = 7

class Counted:
    def __init__(self, config):
        self.n = config.n
    def sample(self):
        with Path(os.environ["DRAWN"]).open("a") as log:
            log.write("drawn\\n")
        for i in range(self.n):
            yield Prompt(Query(f"{i} + 1", "sums", target=str(i + 1)))

class DearConfig(Config):
    """Knows what it costs."""
    unknown: bool = False
    free: bool = False

class Dear:
    def __init__(self, config):
        self.unknown, self.free = config.unknown, config.free
    def respond(self, prompts):
        for prompt in prompts:
            yield Trace(prompt, str(eval(prompt.query.text)), "dear")
    def provenance(self):
        return {"price_list": "of 1923"}
    def estimate(self, prompts):
        assert not hasattr(prompts, "__len__"), "prompts come as a stream"
        n = len({prompt.id for prompt in prompts})
        if self.free:
            return Estimate(n, 0, 0, 0.0, hours=0.0)
        money = None if self.unknown else 0.5 * n
        return Estimate(n, 10 * n, 2000 * n, money, money and money / 2, n * 1.5, ("dear is dear", f"asks {n}"))

class WeighedConfig(Config):
    """Knows what a fit takes."""

class Weighed:
    def fit(self, examples, *, epochs, init, out):
        raise NotImplementedError
    def load(self, checkpoint):
        raise NotImplementedError
    def estimate_fit(self, examples, tokens, epochs):
        costs = [FitCost("2xA100-80GB", 12.0, 80.0, 1.5, {"weights": 8.0, "gradients": 4.0}), FitCost("1xT4", 24.0, 16.0, 9.0, {})]
        return FitEstimate(costs, (f"{examples} examples, {tokens} tokens, {epochs} times",))

@hookimpl
def orca_students():
    return [Component("weighed", WeighedConfig, lambda config, context: Weighed())]

@hookimpl
def orca_samplers():
    return [Component("counted", CountedConfig, lambda config, context: Counted(config))]

@hookimpl
def orca_teachers():
    return [Component("dear", DearConfig, lambda config, context: Dear(config))]
'''
RUN = (
    *(o for o in TOY_RUN if not o.startswith(("teacher=", "sampler="))),
    "sampler=counted",
    "teacher=dear",
    "subjects=[student]",
)


@pytest.fixture
def dear(project):
    """The scratch project with a teacher that knows what it costs."""
    project.plugin("dear", ESTIMATING)
    project.env["DRAWN"] = str(project.root / "drawn.txt")
    return project


def rows(output: str) -> dict[str, list[str]]:
    """The cells of both tables by stage; of a stage that asks, those of the second."""
    found = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    return {row[0]: row[1:] for row in found if len(row) > 1}


def plan(project: Any, *more: str) -> tuple[dict[str, list[str]], str]:
    result = project.orca("plan", *RUN, *more)
    assert result.returncode == 0, result.stderr
    return rows(result.stdout), result.stdout


def test_plan_shows_requests_tokens_dollars_and_time(dear):
    table, _ = plan(dear)
    assert table["ask/teacher"] == ["7", "70", "14,000", "$3.50", "$1.75", "10 h 30 min"]
    assert table["sample/teacher"][-1] == "7 prompts"
    assert table["fit/teacher"][-1] == "4 epochs over at most 7 examples"


def test_plan_shows_what_a_fit_takes_on_each_machine(dear):
    _, said = plan(dear, "student=weighed")
    rows = [re.split(r"\s{2,}", line.strip()) for line in said.split("still to train")[1].splitlines()]
    assert ["fit/teacher", "2xA100-80GB", "12", "80", "1 h 30 min", "weights 8, gradients 4"] in rows
    assert ["fit/teacher", "1xT4", "24", "16", "9 h 00 min", "does not fit"] in rows
    assert "7 examples, 14070 tokens, 4 times" in said


def test_the_stages_follow_one_another_so_their_figures_add(dear):
    table, _ = plan(dear, "subjects=[student,teacher]")
    assert table["answer/teacher/all-sums"] == ["40", "400", "80,000", "$20.00", "$10.00", "2.5 days"]
    assert table["all, one by one"] == ["47", "470", "94,000", "$23.50", "$11.75", "2.9 days"]


def test_what_one_stage_does_not_know_the_sum_does_not(dear):
    table, _ = plan(dear, "teacher.unknown=true")
    assert table["ask/teacher"] == ["7", "70", "14,000", text.DASH, text.DASH, "10 h 30 min"]


def test_what_is_free_has_no_batch_price_and_needs_none(dear):
    table, _ = plan(
        dear,
        "curriculum=progressive",
        "teacher@curriculum.assistant.teacher=dear",
        "curriculum.assistant.teacher.free=true",
    )
    assert table["ask/assistant"][3:5] == ["$0.00", text.DASH]
    assert table["all, one by one"][3:5] == ["$0.50", "$0.25"]


def test_notes_stand_below_the_table_each_once_with_the_stages_it_is_about(dear):
    _, output = plan(dear, "subjects=[student,teacher]")
    below = output[output.index("all, one by one") :].splitlines()
    assert [line.strip() for line in below[1:] if line] == [
        "ask/teacher, answer/teacher/all-sums: dear is dear",
        "ask/teacher: asks 7",
        "answer/teacher/all-sums: asks 40",
    ]


def test_several_answers_a_prompt_are_as_many_requests(dear):
    table, _ = plan(dear, "curriculum.teacher.samples=3")
    assert table["ask/teacher"][0] == "21"
    assert table["sample/teacher"][-1] == "7 prompts"
    assert table["fit/teacher"][-1] == "4 epochs over at most 21 examples"


def test_a_draw_serves_the_teacher_and_all_counts(dear):
    plan(dear)
    assert (dear.root / "drawn.txt").read_text() == "drawn\n"


def test_a_finished_stage_is_not_drawn_again(dear):
    dear.orca("run", *RUN)
    (dear.root / "drawn.txt").unlink()
    table, _ = plan(dear, "teacher.unknown=true")
    assert table["sample/teacher"][0] == "done"
    assert table["ask/teacher"][0] == "7"
    assert not (dear.root / "drawn.txt").exists()


def test_the_manifest_holds_what_a_teacher_says_it_works_with(dear):
    result = dear.orca("run", *RUN)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((dear.reports()[0].parent / "manifest.json").read_text())
    assert manifest["provenance"] == {"ask/teacher": {"price_list": "of 1923"}}


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        (None, text.DASH),
        (0.0, "0.0 s"),
        (0.01, "36 s"),
        (10 / 3, "3 h 20 min"),
        (278.4, "11.6 days"),
        (47.9, "47 h 54 min"),
    ],
)
def test_a_time_is_told_as_people_do(hours, expected):
    assert text.hours(hours) == expected


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 50))
def test_a_reservoir_is_a_sample_without_repetition_and_counts_the_stream(n, size):
    sample, count = reservoir(iter(range(n)), size)
    assert count == n
    assert len(sample) == len(set(sample)) == min(n, size)
    assert set(sample) <= set(range(n))
    if n <= size:
        assert sample == list(range(n))
    assert sample == reservoir(iter(range(n)), size)[0]


def test_a_reservoir_favours_no_part_of_the_stream():
    sample, _ = reservoir(iter(range(100_000)), 1000)
    quarters = [sum(25_000 * q <= item < 25_000 * (q + 1) for item in sample) for q in range(4)]
    assert all(200 < quarter < 300 for quarter in quarters), quarters


class Numbers:
    """A sampler of these numbers, in this order."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def sample(self) -> Iterator[Prompt]:
        return (Prompt(Query(str(number), "t")) for number in self.numbers)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=60), st.floats(0.01, 1.0), st.integers(0, 3))
def test_a_subset_streams_what_a_choice_from_the_whole_list_gives(numbers, fraction, seed):
    distinct = list(dict.fromkeys(numbers))
    chosen = random.Random(f"subset {seed}").sample(range(len(distinct)), round(fraction * len(distinct)))
    sampler = SubsetSampler(SubsetConfig(of=None, fraction=fraction), lambda: Numbers(numbers), seed)
    assert [int(p.query.text) for p in sampler.sample()] == [distinct[index] for index in sorted(chosen)]


@pytest.mark.slow
def test_the_papers_recipe_plans_two_weeks_and_three(project, tmp_path: Path):
    pytest.importorskip("orca_litellm", reason="needs the plugin orca-litellm installed")
    draw = random.Random(0)
    questions = [
        " ".join(draw.choices(["who", "what", "where", "river", "stone", "the", "of", "a"], k=235)) for _ in range(1000)
    ]
    lines = (json.dumps({"query": f"{i} {question}", "task": "flan"}) for i, question in enumerate(questions))
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    project.env["ORCA_BLOCK_PLUGINS"] = ""
    result = project.orca(
        "plan", "+experiment=orca13b-2023", "sampler=file", f"sampler.path={tmp_path}/questions.jsonl", timeout=600
    )
    assert result.returncode == 0, result.stderr
    table = rows(result.stdout)
    chatgpt, gpt4 = table["ask/assistant"], table["ask/teacher"]
    assert (chatgpt[0], gpt4[0]) == ("1,000", "200"), "a fifth"
    assert round(minutes(chatgpt[5]) * 5_000_000 / 1000 / (7 * 24 * 60)) == 2
    assert round(minutes(gpt4[5]) * 1_000_000 / 200 / (7 * 24 * 60)) == 3
    assert "openai/gpt-4 is past its end" in result.stdout
    assert "openai/gpt-4.1 replaces it" in result.stdout


def minutes(told: str) -> float:
    number, seconds = told.removesuffix(" s").split(" min ")
    return float(number) + float(seconds) / 60
