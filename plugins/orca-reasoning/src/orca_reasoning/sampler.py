"""The sampler ``reasoning``: training items of the chosen families, in turn, each with a system message that sets the style."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pydantic import Field, model_validator

from orca_core.component import Component, Config, Context
from orca_core.protocols import Sampler
from orca_core.records import Prompt, Query
from orca_reasoning.bank import FamilyNames, SizesByFamily, as_query, draw
from orca_reasoning.families import FAMILIES
from orca_reasoning.styles import MESSAGES, Asked


class ReasoningConfig(Config):
    """Generated questions in BIG-Bench Hard's text formats, with known answers."""

    families: FamilyNames = Field(tuple(FAMILIES), description="which families, in turn")
    n: int = Field(4000, ge=1, description="number of prompts over all families")
    sizes: SizesByFamily = Field({}, description="difficulty of a family as [low, high]; its own default if absent")
    ramp: bool = Field(False, description="from easy to hard, instead of all sizes mixed")
    styles: dict[Asked, float] = Field(
        {"explained": 1.0}, description="share of each style: answer, brief, explained, empty"
    )

    @model_validator(mode="after")
    def _check(self) -> ReasoningConfig:
        if min(self.styles.values(), default=0) < 0 or sum(self.styles.values()) <= 0:
            raise ValueError("styles: shares are 0 or more, and not all are 0")
        if idle := sorted(set(self.sizes) - set(self.families)):
            raise ValueError(f"sizes: {', '.join(idle)} is not among the families")
        return self


class ReasoningSampler:
    """Draws the families' items with streams of their own: what one family yields does not depend on the others."""

    def __init__(self, config: ReasoningConfig, seed: int) -> None:
        self._config, self._seed = config, seed

    def sample(self) -> Iterator[Prompt]:
        rng = Random(f"{self._seed}/styles")
        asked, shares = list(self._config.styles), list(self._config.styles.values())
        for query in self._in_turn():
            yield Prompt(query, MESSAGES[rng.choices(asked, shares)[0]])

    def _in_turn(self) -> Iterator[Query]:
        count, streams = len(self._config.families), [self._queries(i) for i in range(len(self._config.families))]
        for i in range(self._config.n):
            yield next(streams[i % count])

    def _queries(self, index: int) -> Iterator[Query]:
        """The queries of one family: every ``len(families)``-th of the ``n``."""
        family = FAMILIES[self._config.families[index]]
        n = len(range(index, self._config.n, len(self._config.families)))
        rng = Random(f"{self._seed}/{family.name}")
        items = draw(family, n, self._config.sizes.get(family.name, family.sizes), rng, held_out=False)
        if self._config.ramp:
            items = iter(sorted(items, key=lambda drawn: drawn[1]))
        return (as_query(family, item, size) for item, size in items)


def _build(config: ReasoningConfig, context: Context) -> Sampler:
    return ReasoningSampler(config, context.seed)


SAMPLER: Component[ReasoningConfig, Sampler] = Component("reasoning", ReasoningConfig, _build, version=2)
