"""The evaluator ``repairs``: what a subject gets right that another teacher gets wrong, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from pydantic import Field

from orca_core import Component, Config, Context, Estimate, Evaluator, Prompt, Score, Trace, UserError, part
from orca_core.protocols import Estimates
from orca_core.stats import proportion_score
from orca_core.verify import Judge, stated_answer
from orca_skillgen.asking import answers, blank
from orca_skillgen.gate import Counts


class RepairsConfig(Config):
    """Accuracy on another sampler's questions, and repairs and regressions against a teacher on the same ones."""

    of: Any = part("sampler", description="the questions, with gold answers")
    against: Any = part(
        "teacher", scoring=True, description="the teacher that the subject is held against, asked while scoring"
    )
    limit: int | None = Field(None, ge=1, description="take only the first so many questions")


class RepairsEvaluator:
    """Scores per task: accuracy, the share of the teacher's wrong answers repaired and of its right ones broken, and the net.

    A question to which one side gave no answer counts as wrong in the accuracy and is left out of the rest.
    """

    def __init__(self, config: RepairsConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.judge = Judge(lambda name: context.make("verifier", {"name": name}))
        self._asked: dict[str, float] = {}

    def prompts(self) -> Iterator[Prompt]:
        """The questions.

        Raises:
            UserError: one has no gold answer.
        """
        for number, prompt in enumerate(self.context.make("sampler", self.config.of).sample()):
            if number == self.config.limit:
                return
            if prompt.query.target is None:
                raise UserError(f"evaluator.repairs.of: a question of task '{prompt.query.task}' has no gold answer")
            yield prompt

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        by_task: dict[str, list[Trace]] = {}
        for trace in traces:
            by_task.setdefault(trace.prompt.query.task, []).append(self.judge(trace))
        teacher = self.context.make("teacher", self.config.against)
        for task, subject in sorted(by_task.items()):
            base = [self.judge(trace) for trace in answers(teacher, [trace.prompt for trace in subject])]
            self._account(base)
            yield from _scores(task, base, subject)

    def estimate_scoring(self, answers: Iterable[Prompt | Trace]) -> Estimate:
        """What the other teacher expects of the questions."""
        prompts = (one if isinstance(one, Prompt) else one.prompt for one in answers)
        teacher = self.context.make("teacher", self.config.against)
        return teacher.estimate(prompts) if isinstance(teacher, Estimates) else Estimate(sum(1 for _ in prompts))

    def asked(self) -> Mapping[str, float]:
        """What the other teacher took."""
        return self._asked

    def _account(self, traces: Sequence[Trace]) -> None:
        for name in ("prompt_tokens", "completion_tokens", "cost_usd"):
            used = sum(getattr(trace, name) or 0 for trace in traces)
            if used:
                self._asked[name] = self._asked.get(name, 0) + used


def _scores(task: str, base: Sequence[Trace], subject: Sequence[Trace]) -> Iterator[Score]:
    right = {trace.prompt.id: bool(trace.correct) for trace in subject}
    chance = fmean(1 / len(t.prompt.query.choices) if t.prompt.query.choices else 0.0 for t in subject)
    readable = fmean(stated_answer(trace) is not None for trace in subject)
    yield proportion_score(task, right, chance=chance, format_ok=readable)
    pairs = [(a, b) for a, b in zip(base, subject, strict=True) if not blank(a) and not blank(b)]
    before = {a.prompt.id: bool(a.correct) for a, _ in pairs}
    after = {b.prompt.id: bool(b.correct) for _, b in pairs}
    repaired = {i: after[i] for i, was_right in before.items() if not was_right}
    broken = {i: not after[i] for i, was_right in before.items() if was_right}
    for metric, outcomes in (("repaired of wrong", repaired), ("broken of right", broken)):
        if outcomes:
            yield proportion_score(task, outcomes, metric=metric, chance=None, format_ok=readable)
    if pairs:
        yield _net(task, before, after, readable)


def _net(task: str, before: Mapping[str, bool], after: Mapping[str, bool], readable: float) -> Score:
    """(repairs - regressions) / n with Newcombe's paired interval."""
    counts = Counts.of(before, after)
    items = {i: float(after[i]) - float(before[i]) for i in before}
    return Score(task, "net gain", counts.net / counts.n, counts.n, counts.net_ci95, 0.0, readable, items)


REPAIRS: Final = Component[RepairsConfig, Evaluator]("repairs", RepairsConfig, RepairsEvaluator)
