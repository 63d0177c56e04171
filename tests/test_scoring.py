"""An evaluator that asks in order to score: planned, accounted for, and its own settings have nobody answer anew."""

from __future__ import annotations

import json
from typing import Any

import pytest
from toy_project import TOY_RUN

from orca_core import Component, Config, Estimate, part, part_nodes, scoring
from orca_core.parts import Part, resolve
from orca_core.plugins import load

EXAMINER = '''
from orca_core import Component, Config, Estimate, Prompt, Query, hookimpl, part, scoring
from orca_core.stats import proportion_score

class ExaminerConfig(Config):
    """Has somebody else add up too, and compares."""
    of: object = part("teacher", scoring=True, description="who")
    second: object = part("teacher", None, scoring=True, description="who else")
    strict: bool = scoring(True, description="whether to look at the last number alone")

class Examiner:
    def __init__(self, config, context):
        self.config, self.context, self.sums = config, context, {}

    def prompts(self):
        return (Prompt(Query(f"{a} + 1", "sums")) for a in range(8))

    def score(self, traces):
        traces = list(traces)
        adder = self.context.make("teacher", self.config.of)
        answers = {trace.prompt.id: trace for trace in adder.respond([trace.prompt for trace in traces])}
        self.sums = {"prompt_tokens": 3 * len(traces), "cost_usd": 0.25}
        same = {t.prompt.id: (t.text == answers[t.prompt.id].text) for t in traces}
        yield proportion_score("sums", same, chance=None, format_ok=1.0)

    def asked(self):
        return self.sums

    def estimate_scoring(self, answers):
        answers = list(answers)
        there = sum(not isinstance(answer, Prompt) for answer in answers)
        return Estimate(len(answers), 3 * len(answers), notes=(f"examiner: {there} answers are there",))

@hookimpl
def orca_evaluators():
    return [Component("examiner", ExaminerConfig, Examiner)]
'''
RUN = (*(line for line in TOY_RUN if not line.startswith("evaluator")), "evaluator=[examiner]", "subjects=[student]")
ASKING = ("+teacher@evaluator.examiner.of=adder",)


def test_what_a_scoring_asks_is_planned_and_billed_and_another_examiner_has_nobody_answer_anew(project: Any) -> None:
    project.plugin("examiner", EXAMINER)
    before = project.orca("plan", *RUN, *ASKING)
    assert before.returncode == 0, before.stderr
    line = next(
        line for line in before.stdout.splitlines() if line.startswith("score/student/examiner  ") and "24" in line
    )
    assert line.split()[1:3] == ["8", "24"]
    assert "examiner: 0 answers are there" in before.stdout
    assert project.orca("run", *RUN, *ASKING).returncode == 0
    run = project.reports()[-1]
    # the teacher's 16 distinct answers at a cent and three tokens each, and what the examiner says
    totals = json.loads((run.parent / "manifest.json").read_text())["totals"]
    assert totals["cost_usd"] == pytest.approx(0.16 + 0.25)
    assert totals["prompt_tokens"] == 48 + 24
    other = (*RUN, *ASKING, "evaluator.examiner.of.skill=9", "evaluator.examiner.strict=false")
    after = project.orca("plan", *other)
    assert "examiner: 8 answers are there" in after.stdout
    assert project.orca("run", *other).returncode == 0
    cached = {stage["name"]: stage["cached"] for stage in json.loads(project.reports()[-1].read_text())["stages"]}
    assert cached == {name: name != "score/student/examiner" for name in cached}


class HolderConfig(Config):
    """Holds parts."""

    of: Any = part("teacher", None, scoring=True)
    size: int = 1
    strict: bool = scoring(False)


HOLDER = Component("holder", HolderConfig, lambda config, context: None)


def identity(*, scoring: bool = True, **config: Any) -> dict[str, Any]:
    return Part("evaluator", HOLDER, HolderConfig(**config), load(strict=False)).identity(scoring=scoring)["config"]


def test_a_field_may_hold_one_part_several_by_name_or_none() -> None:
    replay = {"name": "replay", "path": __file__}
    assert part_nodes(None) == {}
    assert part_nodes(replay) == {"": replay}
    assert part_nodes({"a": replay, "b": replay}) == {"a": replay, "b": replay}
    one = identity(of=replay)["of"]
    assert one["name"] == "replay"
    assert identity(of=None)["of"] is None
    assert identity(of={"a": replay, "b": replay})["of"] == {"a": one, "b": one}


def test_what_only_scores_depend_on_is_in_their_key_and_not_in_the_questions() -> None:
    assert set(identity()) == {"of", "size", "strict"}
    assert set(identity(scoring=False)) == {"size"}


def test_estimates_add_up_and_what_one_does_not_know_the_sum_does_not() -> None:
    known, unknown = Estimate(3, 10, 5, cost_usd=1.0, hours=0.5, notes=("dear",)), Estimate(2, 4)
    assert Estimate.total([known, known]) == Estimate(6, 20, 10, cost_usd=2.0, hours=1.0)
    assert Estimate.total([known, unknown]) == Estimate(5, 14)
    assert Estimate.total([]) == Estimate(0, 0, 0, cost_usd=0, batch_usd=0, hours=0)


def test_an_unknown_part_is_told_under_its_own_key() -> None:
    from orca_core import ConfigError

    with pytest.raises(ConfigError, match=r"sampler\.of: no sampler is called 'fille'; did you mean 'file'"):
        resolve(load(strict=False), "sampler", {"name": "subset", "of": {"name": "fille"}, "n": 1}, "sampler")
