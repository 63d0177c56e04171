"""The sampler ``chains``."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pydantic import Field

from orca_core.component import Component, Config
from orca_core.protocols import Sampler
from orca_core.records import Prompt
from orca_reasoning.chains.task import Length, draw


class ChainsConfig(Config):
    """Chains of digits to reduce to one; no question that is held out for the evaluator."""

    n: int = Field(96, ge=1, description="prompts, no question twice")
    digits: tuple[Length, ...] = Field((5,), min_length=1, description="lengths of the chains, in turn")
    stream: str = Field("", description="name of a stream of random numbers; another name, other questions")


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


CHAINS = Component[ChainsConfig, Sampler](
    "chains", ChainsConfig, lambda config, context: ChainsSampler(config, context.seed)
)
