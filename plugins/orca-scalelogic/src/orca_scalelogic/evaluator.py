"""The evaluator ``scalelogic``: held-out instances, scored by depth and tier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from random import Random
from statistics import fmean
from typing import Final
from typing import Literal as OneOf

from pydantic import Field

from orca_core.component import Component, Context
from orca_core.protocols import Evaluator
from orca_core.records import Prompt, Score, Trace
from orca_core.stats import proportion_score
from orca_scalelogic.answers import rewarded, stated
from orca_scalelogic.bank import TaskConfig, as_query, draw
from orca_scalelogic.styles import MESSAGES


class ScaleLogicEvalConfig(TaskConfig):
    """Accuracy on held-out logic puzzles, for each depth of each tier."""

    n: int = Field(50, ge=1, description="instances of each depth of each tier")
    style: OneOf["explained", "answer"] = Field(
        "explained", description="system message: explained (a proof), answer (the answer alone)"
    )
    seed: int = Field(0, ge=0, description="of the instances; the run's own seed does not change them")


class ScaleLogicEvaluator:
    """Asks every instance once. Never yields a problem that a sampler can draw."""

    def __init__(self, config: ScaleLogicEvalConfig) -> None:
        self._config = config

    def prompts(self) -> Iterator[Prompt]:
        config = self._config
        for tier in config.tiers:
            for depth in range(config.depths[0], config.depths[1] + 1):
                rng = Random(f"{config.seed}/scalelogic/{tier}/{depth}/held-out")
                for instance, _ in draw(rng, config.shape(tier), repeat(depth, config.n), held_out=True):
                    yield Prompt(as_query(config, tier, instance, depth), MESSAGES[config.style])

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        by_task: dict[str, list[Trace]] = {}
        for trace in traces:
            by_task.setdefault(trace.prompt.query.task, []).append(trace)
        asked = (f"{tier}-d{depth}" for tier in self._config.tiers for depth in range(self._config.depths[1] + 1))
        return (_score(task, by_task[task]) for task in asked if task in by_task)


def _score(task: str, traces: list[Trace]) -> Score:
    """Accuracy by the released reward. The format is right where one block states one of the candidates."""
    return proportion_score(
        task,
        {trace.prompt.id: rewarded(trace.text, trace.prompt.query.target or "") for trace in traces},
        chance=fmean(1 / len(trace.prompt.query.choices) for trace in traces),
        format_ok=fmean(stated(t.text) in {choice.casefold() for choice in t.prompt.query.choices} for t in traces),
    )


def _build(config: ScaleLogicEvalConfig, context: Context) -> Evaluator:
    return ScaleLogicEvaluator(config)


EVALUATOR: Final = Component[ScaleLogicEvalConfig, Evaluator]("scalelogic", ScaleLogicEvalConfig, _build)
