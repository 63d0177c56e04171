"""The evaluator ``repairs``: what a subject gets right that another teacher gets wrong, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from pydantic import Field

from orca_core import Component, Config, Context, Evaluator, Prompt, Score, Trace, UserError, part
from orca_core.records import DEAD
from orca_core.stats import proportion_score
from orca_core.verify import Judge
from orca_skillgen.asking import answers
from orca_skillgen.gate import Counts


class RepairsConfig(Config):
    """Accuracy on another sampler's questions, and repairs and regressions against a teacher on the same ones."""

    of: Any = part("sampler", description="the questions, with gold answers")
    against: Any = part("teacher", description="the teacher that the subject is held against, asked while scoring")
    limit: int | None = Field(None, ge=1, description="take only the first so many questions")


class RepairsEvaluator:
    """Scores per task: accuracy, the share of the teacher's wrong answers repaired and of its right ones broken, and the net.

    A pair of which one side has no answer counts as wrong in the accuracy and is left out of the rest.
    """

    def __init__(self, config: RepairsConfig, context: Context) -> None:
        self.config, self.context = config, context
        self.judge = Judge(lambda name: context.make("verifier", {"name": name}))

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
            yield from _scores(task, base, subject)


def _scores(task: str, base: Sequence[Trace], subject: Sequence[Trace]) -> Iterator[Score]:
    right = {trace.prompt.id: bool(trace.correct) for trace in subject}
    chance = fmean(1 / len(t.prompt.query.choices) if t.prompt.query.choices else 0.0 for t in subject)
    said = fmean(not _blank(trace) for trace in subject)
    yield proportion_score(task, right, chance=chance, format_ok=said)
    pairs = [(a, b) for a, b in zip(base, subject, strict=True) if not _blank(a) and not _blank(b)]
    if not pairs:
        return
    before = {a.prompt.id: bool(a.correct) for a, _ in pairs}
    after = {b.prompt.id: bool(b.correct) for _, b in pairs}
    of_wrong = {i: after[i] for i, was_right in before.items() if not was_right}
    of_right = {i: not after[i] for i, was_right in before.items() if was_right}
    for metric, outcomes in (("repaired of wrong", of_wrong), ("broken of right", of_right)):
        if outcomes:
            yield proportion_score(task, outcomes, metric=metric, chance=None, format_ok=said)
    yield _net(task, before, after, said)


def _net(task: str, before: Mapping[str, bool], after: Mapping[str, bool], said: float) -> Score:
    """(repairs - regressions) / n with Newcombe's paired interval."""
    counts = Counts.of(before, after)
    items = {i: float(after[i]) - float(before[i]) for i in before}
    return Score(task, "net gain", counts.net / counts.n, counts.n, counts.net_ci95, 0.0, said, items)


def _blank(trace: Trace) -> bool:
    return trace.finish_reason == DEAD or not trace.text.strip()


REPAIRS: Final = Component[RepairsConfig, Evaluator]("repairs", RepairsConfig, RepairsEvaluator)
