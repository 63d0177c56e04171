"""The evaluator ``chains``: accuracy on held-out chains, and the share of steps that are right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from statistics import fmean

from pydantic import Field

from orca_core.component import Component, Config
from orca_core.protocols import Evaluator
from orca_core.records import Decoding, Prompt, Score, Trace
from orca_core.stats import proportion_score
from orca_core.verify import AnswerVerifier
from orca_reasoning.chains.task import SEPARATOR, Length, digits_of, draw, valid_steps


class ChainsEvalConfig(Config):
    """Accuracy on held-out chains, greedy and drawn at temperature 1, and the share of valid steps."""

    n: int = Field(200, ge=1, description="questions of each length")
    digits: tuple[Length, ...] = Field((5,), min_length=1, description="lengths of the chains, a task each")
    drawn: bool = Field(True, description="whether each is asked a second time, to be answered at temperature 1")
    seed: int = Field(0, ge=0, description="of the questions; the run's own seed does not change them")


class ChainsEvaluator:
    """Implements :class:`orca_core.protocols.Evaluator`. A task is a length and a way to answer."""

    def __init__(self, config: ChainsEvalConfig) -> None:
        self.config = config

    def prompts(self) -> Iterator[Prompt]:
        for temperature in (0.0, 1.0) if self.config.drawn else (0.0,):
            for length in self.config.digits:
                questions = draw(length, Random(f"{self.config.seed}/{length}/held-out"), held_out=True)
                for drawn in islice(questions, self.config.n):
                    yield Prompt(drawn, decoding=Decoding(temperature=temperature))

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        by_task: dict[str, list[Trace]] = {}
        for trace in traces:
            drawn = "_drawn" if trace.prompt.decoding.get("temperature") else ""
            by_task.setdefault(trace.prompt.query.task + drawn, []).append(trace)
        for task, answers in sorted(by_task.items()):
            yield from _scores(task, answers)


def _scores(task: str, answers: Sequence[Trace]) -> Iterator[Score]:
    verify = AnswerVerifier().verify
    formed = fmean(len(digits_of(t.text.split(SEPARATOR)[-1]) or ()) == 1 for t in answers)
    right = {t.prompt.id: bool(verify(t.prompt.query, t.text)) for t in answers}
    steps = {t.prompt.id: _step_share(t) for t in answers}
    guess = fmean(_guessed(len(t.prompt.query.text.split())) for t in answers)
    yield proportion_score(task, right, chance=0.1, format_ok=formed)
    yield proportion_score(task, steps, metric="valid_steps", chance=guess, format_ok=formed)


def _step_share(trace: Trace) -> float:
    """The valid steps of an answer as a share of all of them, or of those that the chain needs where it has fewer."""
    valid = valid_steps(trace.prompt.query.text, trace.text)
    return sum(valid) / max(len(valid), len(trace.prompt.query.text.split()) - 1)


def _guessed(length: int) -> float:
    """The share of steps that are valid if as many random digits are written as a step has; ``m - 1`` of ``10^(m - 1)`` are."""
    return fmean((m - 1) / 10 ** (m - 1) for m in range(2, length + 1))


CHAINS_EVALUATOR = Component[ChainsEvalConfig, Evaluator](
    "chains", ChainsEvalConfig, lambda config, context: ChainsEvaluator(config), version=2
)
