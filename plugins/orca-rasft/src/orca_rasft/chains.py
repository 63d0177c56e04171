"""A task with many right ways: reduce a chain of digits to one, replacing two neighbours by their sum modulo 10, in any order.

``3 8 1 4`` may become ``1 1 4``, ``3 9 4`` or ``3 8 5``; the last digit is the same whatever the order. A single stored answer
shows one way of many, which is what a student that sees few answers learns by heart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from statistics import fmean
from typing import Annotated

from pydantic import Field

from orca_core.component import Component, Config, Context
from orca_core.errors import UserError
from orca_core.protocols import Evaluator, Responder, Sampler
from orca_core.records import Decoding, Prompt, Query, Score, Trace, content_id
from orca_core.stats import proportion_score
from orca_core.verify import AnswerVerifier

_TASK = "chains"
_HELD_OUT = 8
Length = Annotated[int, Field(ge=2, le=12)]


class ChainsConfig(Config):
    """Chains of digits to reduce to one; no question that is held out for the evaluator."""

    n: int = Field(96, ge=1, description="prompts, no question twice")
    digits: tuple[Length, ...] = Field((5,), min_length=1, description="lengths of the chains, in turn")
    stream: str = Field("", description="name of a stream of random numbers; another name, other questions")


class ChainsEvalConfig(Config):
    """Accuracy on held-out chains, greedy and drawn at temperature 1."""

    n: int = Field(200, ge=1, description="questions of each length")
    digits: tuple[Length, ...] = Field((5,), min_length=1, description="lengths of the chains, a task each")
    drawn: bool = Field(True, description="whether each is asked a second time, to be answered at temperature 1")
    seed: int = Field(0, ge=0, description="of the questions; the run's own seed does not change them")


class ReducerConfig(Config):
    """The expert on chains: each answer takes its steps in an order of its own, drawn at random."""


def query(digits: list[int]) -> Query:
    """The question of a chain."""
    text = " ".join(map(str, digits))
    return Query(text, f"{_TASK}_{len(digits)}", target=str(sum(digits) % 10))


def reduction(digits: list[int], rng: Random) -> str:
    """The steps in a random order, each the chain that is left: ``1 1 4 ; 2 4 ; 6``."""
    steps = []
    while len(digits) > 1:
        at = rng.randrange(len(digits) - 1)
        digits = [*digits[:at], (digits[at] + digits[at + 1]) % 10, *digits[at + 2 :]]
        steps.append(" ".join(map(str, digits)))
    return " ; ".join(steps)


def draw(length: int, rng: Random, *, held_out: bool) -> Iterator[Query]:
    """Distinct questions of a length; those whose hash falls in a fixed eighth are held out."""
    seen = set[str]()
    while len(seen) < 10**length:
        drawn = query([rng.randrange(10) for _ in range(length)])
        if drawn.text not in seen:
            seen.add(drawn.text)
            if (int(content_id(drawn.text), 16) % _HELD_OUT == 0) == held_out:
                yield drawn


class ChainsSampler:
    """Implements :class:`orca_core.protocols.Sampler`."""

    def __init__(self, config: ChainsConfig, seed: int) -> None:
        self.config, self.seed = config, seed

    def sample(self) -> Iterator[Prompt]:
        config = self.config
        streams = [
            draw(length, Random(f"{self.seed}/{config.stream}/{length}"), held_out=False) for length in config.digits
        ]
        for number in range(config.n):
            if (drawn := next(streams[number % len(streams)], None)) is not None:
                yield Prompt(drawn)


class Reducer:
    """Implements :class:`orca_core.protocols.Responder`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            words = prompt.query.text.split()
            if len(words) < 2 or not all(len(word) == 1 and word in "0123456789" for word in words):
                raise UserError(
                    f"teacher reducer: '{prompt.query.text[:80]}' is no chain of digits such as '3 8 1 4'; choose the sampler "
                    "'chains', or another teacher"
                )
            digits = [int(word) for word in words]
            text = reduction(digits, Random(f"{self.seed}/{prompt.id}"))
            yield Trace(prompt, text, "reducer", completion_tokens=len(text.split()), cost_usd=0.0)


class ChainsEvaluator:
    """Implements :class:`orca_core.protocols.Evaluator`. A task is a length and a way to answer; its chance is 1/10."""

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
        verify = AnswerVerifier().verify
        for task, answers in sorted(by_task.items()):
            yield proportion_score(
                task,
                {t.prompt.id: bool(verify(t.prompt.query, t.text)) for t in answers},
                chance=0.1,
                format_ok=fmean(_well_formed(t.text) for t in answers),
            )


def _well_formed(text: str) -> bool:
    """Whether a text ends in a chain of one digit."""
    last = text.split(";")[-1].strip()
    return len(last) == 1 and last.isdigit()


CHAINS = Component[ChainsConfig, Sampler](
    "chains", ChainsConfig, lambda config, context: ChainsSampler(config, context.seed)
)
CHAINS_EVALUATOR = Component[ChainsEvalConfig, Evaluator](
    "chains", ChainsEvalConfig, lambda config, context: ChainsEvaluator(config)
)


def _reducer(config: ReducerConfig, context: Context) -> Responder:
    return Reducer(context.seed)


REDUCER = Component[ReducerConfig, Responder]("reducer", ReducerConfig, _reducer)
