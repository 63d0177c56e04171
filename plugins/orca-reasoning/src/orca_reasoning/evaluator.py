"""The evaluator ``reasoning``: held-out generated items, or real BIG-Bench Hard text, scored by exact match."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from statistics import fmean

from pydantic import Field

from orca_core.component import Component, Config, Context
from orca_core.protocols import Evaluator
from orca_core.records import Prompt, Query, Score, Trace
from orca_core.stats import proportion_score
from orca_reasoning import bbh
from orca_reasoning.bank import FamilyNames, SizesByFamily, as_query, draw
from orca_reasoning.families import FAMILIES
from orca_reasoning.styles import MESSAGES, Asked

_GENERATED = 100


class ReasoningEvalConfig(Config):
    """Accuracy per family on held-out generated questions, or on BIG-Bench Hard files (path)."""

    families: FamilyNames = Field(tuple(FAMILIES), description="which families")
    n: int | None = Field(None, ge=1, description=f"items of each family; none: {_GENERATED}, or all of a file")
    sizes: SizesByFamily = Field({}, description="difficulty of a family as [low, high]; its own default if absent")
    style: Asked = Field("explained", description="which system message: answer, brief, explained, empty")
    seed: int = Field(0, ge=0, description="of the items; the run's own seed does not change them")
    path: Path | None = Field(None, description="BIG-Bench Hard file, or directory of them, instead of generated items")


class ReasoningEvaluator:
    """Asks every item once with one system message. Never yields a question that the sampler can draw."""

    def __init__(self, config: ReasoningEvalConfig) -> None:
        self._config = config

    def prompts(self) -> Iterator[Prompt]:
        config = self._config
        queries = bbh.read(config.path, config.families, config.n) if config.path else self._generated()
        return (Prompt(query, MESSAGES[config.style]) for query in queries)

    def _generated(self) -> Iterator[Query]:
        for name in self._config.families:
            family, rng = FAMILIES[name], Random(f"{self._config.seed}/{name}/held-out")
            sizes = self._config.sizes.get(name, family.sizes)
            for item, size in draw(family, self._config.n or _GENERATED, sizes, rng, held_out=True):
                yield as_query(family, item, size)

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        by_task: dict[str, list[Trace]] = {}
        for trace in traces:
            by_task.setdefault(trace.prompt.query.task, []).append(trace)
        for task in sorted(by_task, key=list(FAMILIES).index):
            yield self._score(task, by_task[task])

    def _score(self, task: str, traces: list[Trace]) -> Score:
        family = FAMILIES[task]
        asked = [(trace.prompt.query.text, trace.text) for trace in traces]
        return proportion_score(
            task,
            {t.prompt.id: family.verify(t.prompt.query.text, t.text, t.prompt.query.target or "") for t in traces},
            chance=fmean(family.chance(text) for text, _ in asked),
            format_ok=fmean(family.extract(text, response) is not None for text, response in asked),
            references=bbh.REFERENCES.get(task, {}) if self._config.path else {},
        )


def _build(config: ReasoningEvalConfig, context: Context) -> Evaluator:
    return ReasoningEvaluator(config)


EVALUATOR: Component[ReasoningEvalConfig, Evaluator] = Component("reasoning", ReasoningEvalConfig, _build)
