"""The samplers ``scalelogic`` (all depths mixed) and ``scalelogic-curriculum`` (depths that grow in stages)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Final

from pydantic import Field, model_validator

from orca_core.component import Component, Context
from orca_core.protocols import Sampler
from orca_core.records import Prompt, Query
from orca_scalelogic.bank import TaskConfig, as_query, draw
from orca_scalelogic.curriculum import uppers
from orca_scalelogic.styles import MESSAGES, Style


class ScaleLogicConfig(TaskConfig):
    """Logic puzzles by proof depth and expressiveness: which of the statements follows from the facts?"""

    n: int = Field(4000, ge=1, description="number of prompts over all tiers")
    style: Style = Field(
        "explained",
        description="system message: explained (a proof), answer (the answer alone), recited (no answer, only the facts "
        "once more in another order: what to look up, before what to prove)",
    )


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
        stages: the greatest depth of each, of equal numbers of prompts (the remainder goes to the later ones).
        stage: the only one to yield, from 1 on; those before it are drawn all the same, so that it is a part of the whole.
    """

    def __init__(self, config: ScaleLogicConfig, seed: int, stages: Sequence[int], stage: int | None = None) -> None:
        self._config, self._seed, self._stages = config, seed, stages
        self._bounds = [config.n * i // len(stages) for i in range(len(stages) + 1)]
        self._wanted = (0, config.n) if stage is None else (self._bounds[stage - 1], self._bounds[stage])

    def sample(self) -> Iterator[Prompt]:
        message = MESSAGES[self._config.style]
        return (Prompt(query, message) for query in islice(self._in_turn(), *self._wanted))

    def _in_turn(self) -> Iterator[Query]:
        count = len(self._config.tiers)
        streams = [self._queries(i) for i in range(count)]
        for place in range(self._config.n):
            yield next(streams[place % count])

    def _queries(self, index: int) -> Iterator[Query]:
        """The queries of one tier: every ``len(tiers)``-th of the ``n``."""
        tier, least = self._config.tiers[index], self._config.depths[0]
        rng = Random(f"{self._seed}/scalelogic/{tier}")
        places = range(index, self._config.n, len(self._config.tiers))
        depths = (rng.randint(least, self._stages[bisect_right(self._bounds, place) - 1]) for place in places)
        for instance, depth in draw(rng, self._config.shape(tier), depths, held_out=False):
            yield as_query(self._config, tier, instance, depth)


def _build(config: ScaleLogicConfig, context: Context) -> Sampler:
    return ScaleLogicSampler(config, context.seed, (config.depths[1],))


def _build_curriculum(config: ScaleLogicCurriculumConfig, context: Context) -> Sampler:
    stages = uppers(config.start, config.step, config.depths[1])
    return ScaleLogicSampler(config, context.seed, stages, config.stage)


SAMPLER: Final = Component[ScaleLogicConfig, Sampler]("scalelogic", ScaleLogicConfig, _build)
CURRICULUM: Final = Component[ScaleLogicCurriculumConfig, Sampler](
    "scalelogic-curriculum", ScaleLogicCurriculumConfig, _build_curriculum
)
