"""The teacher ``reducer``: takes steps in any order, and may make one kind of mistake again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from pydantic import Field

from orca_core.component import Component, Config, Context
from orca_core.errors import UserError
from orca_core.protocols import Responder
from orca_core.records import Prompt, Trace
from orca_reasoning.chains.task import SEPARATOR, digits_of


class ReducerConfig(Config):
    """The expert on chains: each answer takes its steps in an order of its own, drawn at random."""

    slips: float = Field(
        0.0, ge=0, le=1, description="probability that it takes a sum of ten or more for one too many; then it goes on"
    )


def reduction(digits: list[int], rng: Random, slips: float = 0.0) -> str:
    """The steps in a random order, each the chain that is left: ``1 1 4 ; 2 4 ; 6``."""
    steps = []
    while len(digits) > 1:
        at = rng.randrange(len(digits) - 1)
        total = digits[at] + digits[at + 1]
        if total >= 10 and slips and rng.random() < slips:
            total += 1
        digits = [*digits[:at], total % 10, *digits[at + 2 :]]
        steps.append(" ".join(map(str, digits)))
    return f" {SEPARATOR} ".join(steps)


class Reducer:
    """Implements :class:`orca_core.protocols.Responder`."""

    def __init__(self, seed: int, slips: float) -> None:
        self.seed, self.slips = seed, slips

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            digits = digits_of(prompt.query.text)
            if digits is None or len(digits) < 2:
                raise UserError(
                    f"teacher reducer: '{prompt.query.text[:80]}' is no chain of digits such as '3 8 1 4'; choose the sampler "
                    "'chains', or another teacher"
                )
            text = reduction(digits, Random(f"{self.seed}/{prompt.id}"), self.slips)
            yield Trace(prompt, text, "reducer", completion_tokens=len(text.split()), cost_usd=0.0)


def _build(config: ReducerConfig, context: Context) -> Responder:
    return Reducer(context.seed, config.slips)


REDUCER = Component[ReducerConfig, Responder]("reducer", ReducerConfig, _build)
