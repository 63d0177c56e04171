"""The samplers ``scalelogic`` (all depths mixed) and ``scalelogic-curriculum`` (depths that grow in stages)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from random import Random
from typing import Final

from pydantic import Field, model_validator

from orca_core.component import Component, Context
from orca_core.protocols import Sampler
from orca_core.records import Prompt, Query
from orca_scalelogic.bank import TaskConfig, as_query, draw
from orca_scalelogic.curriculum import uppers
from orca_scalelogic.logic import Tier
from orca_scalelogic.styles import MESSAGES, Style


class ScaleLogicConfig(TaskConfig):
    """Logic puzzles by proof depth and expressiveness: which of the statements follows from the facts?"""

    n: int = Field(4000, ge=1, description="number of prompts over all tiers")
    style: Style = Field("explained", description="system message: explained (a proof), answer (the answer alone)")


class ScaleLogicCurriculumConfig(ScaleLogicConfig):
    """The same, easy before hard: in stages, each with a greater depth at most than the one before."""

    start: int = Field(1, ge=1, description="greatest depth of the first stage (released settings: 6)")
    step: int = Field(1, ge=1, description="by how much it grows from stage to stage (released settings: 2)")
    stage: int | None = Field(None, ge=1, description="only this stage of it, for a phase of its own; null: all")

    @model_validator(mode="after")
    def _stages(self) -> ScaleLogicCurriculumConfig:
        if self.start < self.depths[0]:
            raise ValueError(f"start: at least {self.depths[0]}, the least of depths")
        stages = uppers(self.start, self.step, self.depths[1])
        if self.stage is not None and self.stage > len(stages):
            raise ValueError(f"stage: there are {len(stages)} stages, of greatest depths {', '.join(map(str, stages))}")
        if self.n < len(stages):
            raise ValueError(f"n: at least one prompt for each of the {len(stages)} stages")
        return self


class ScaleLogicSampler:
    """Draws each tier with a stream of its own: what one tier yields does not depend on the others.

    Args:
        config: what to draw.
        seed: of the run.
        ceilings: the greatest depth of each prompt, of as many as are drawn.
        wanted: which of the draws to yield; the others are made all the same, so that a part is a part of the whole.
    """

    def __init__(self, config: ScaleLogicConfig, seed: int, ceilings: Iterable[int], wanted: range) -> None:
        self._config, self._seed, self._ceilings, self._wanted = config, seed, tuple(ceilings), wanted

    def sample(self) -> Iterator[Prompt]:
        message = MESSAGES[self._config.style]
        return (Prompt(query, message) for query in islice(self._in_turn(), self._wanted.start, self._wanted.stop))

    def _in_turn(self) -> Iterator[Query]:
        tiers = self._config.tiers
        streams = [self._queries(tier, self._ceilings[i :: len(tiers)]) for i, tier in enumerate(tiers)]
        for i in range(len(self._ceilings)):
            yield next(streams[i % len(tiers)])

    def _queries(self, tier: Tier, ceilings: Iterable[int]) -> Iterator[Query]:
        rng = Random(f"{self._seed}/scalelogic/{tier}")
        depths = (rng.randint(self._config.depths[0], ceiling) for ceiling in ceilings)
        for instance, depth in draw(rng, self._config.shape(tier), depths, held_out=False):
            yield as_query(tier, instance, depth)


def _build(config: ScaleLogicConfig, context: Context) -> Sampler:
    return ScaleLogicSampler(config, context.seed, (config.depths[1],) * config.n, range(config.n))


def _build_curriculum(config: ScaleLogicCurriculumConfig, context: Context) -> Sampler:
    """Stages of equal numbers of prompts; the remainder goes to the last ones."""
    stages = uppers(config.start, config.step, config.depths[1])
    bounds = [config.n * i // len(stages) for i in range(len(stages) + 1)]
    ceilings = [upper for i, upper in enumerate(stages) for _ in range(bounds[i], bounds[i + 1])]
    wanted = range(config.n) if config.stage is None else range(bounds[config.stage - 1], bounds[config.stage])
    return ScaleLogicSampler(config, context.seed, ceilings, wanted)


SAMPLER: Final = Component[ScaleLogicConfig, Sampler]("scalelogic", ScaleLogicConfig, _build)
CURRICULUM: Final = Component[ScaleLogicCurriculumConfig, Sampler](
    "scalelogic-curriculum", ScaleLogicCurriculumConfig, _build_curriculum
)
