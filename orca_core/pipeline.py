"""Doing a graph of stages, and saying beforehand what it will take."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orca_core.component import Context
from orca_core.config import Part, RunConfig
from orca_core.graph import Graph, Stage
from orca_core.progress import stage_progress
from orca_core.protocols import Estimate, Estimates
from orca_core.records import Prompt
from orca_core.store import Slot, Store, timed
from orca_core.tables import read_prompts
from orca_core.work import Ask, Fit, Questions, Sample

log = logging.getLogger("orca")


@dataclass(frozen=True)
class Outcome:
    """One stage after the run: where its result is, and whether it had to be made."""

    stage: Stage
    slot: Slot
    cached: bool
    seconds: float
    """What making it took; for a cached stage, what it took when it was made."""


def execute(graph: Graph, run: RunConfig, store: Store) -> list[Outcome]:
    """Do every stage that the store does not hold yet, in order."""
    store.prepare()
    slots: dict[str, Slot] = {}
    outcomes = []
    for stage in graph.stages:
        outcome = _do(stage, {role: slots[inner.key] for role, inner in stage.inputs.items()}, run.seed, store)
        slots[stage.key] = outcome.slot
        outcomes.append(outcome)
        facts = ", ".join(f"{name} {value:,}" for name, value in _counts(outcome.slot))
        log.info("%-32s %s  %s", stage.name, "cached " if outcome.cached else f"{outcome.seconds:6.1f} s", facts)
    return outcomes


def _do(stage: Stage, inputs: dict[str, Slot], seed: int, store: Store) -> Outcome:
    slot = store.slot(stage.kind, stage.key)
    cached = slot.done is not None
    if not cached:
        with store.locked(slot, on_wait=stage.name):
            cached = slot.done is not None  # another process may have done it while we waited
            if not cached:
                with timed() as clock, stage_progress(stage.name, stage.unit) as report:
                    facts = stage.do(slot, inputs, Context(seed, store.cache, _no_parts, report))
                slot.finish({"stage": stage.name, "key": stage.key, **facts, **clock})
    return Outcome(stage, slot, cached, float((slot.done or {})["seconds"]))


def _no_parts(kind: str, node: Any) -> Any:
    raise NotImplementedError("Part.build gives every component a context that can make others")


def _counts(slot: Slot) -> Iterator[tuple[str, int]]:
    facts = slot.done or {}
    yield from ((name, facts[name]) for name in ("prompts", "traces", "tasks") if name in facts)


@dataclass(frozen=True)
class PlannedStage:
    """One line of ``orca plan``: ``estimate`` is None for what is done, and for what asks nobody."""

    stage: Stage
    done: bool
    estimate: Estimate | None = None
    note: str = ""


def plan(graph: Graph, run: RunConfig, store: Store) -> list[PlannedStage]:
    """What is done already and what the rest will take. Draws prompts (in memory) to count them; asks nobody, writes nothing."""
    planner = _Planner(run, store)
    return [planner.line(stage) for stage in graph.stages]


class _Planner:
    def __init__(self, run: RunConfig, store: Store) -> None:
        self.run, self.store = run, store
        self.drawn: dict[str, list[Prompt]] = {}

    def line(self, stage: Stage) -> PlannedStage:
        slot = self.store.slot(stage.kind, stage.key)
        if slot.done is not None:
            return PlannedStage(stage, True)
        if isinstance(stage.do, Ask):
            return PlannedStage(stage, False, self.asking(stage.do.teacher, self.prompts(stage.inputs["prompts"])))
        if isinstance(stage.do, (Sample, Questions)):
            return PlannedStage(stage, False, note=f"{len(self.prompts(stage)):,} prompts")
        if isinstance(stage.do, Fit):
            asked = stage.inputs["examples"].inputs["traces"].inputs["prompts"]
            return PlannedStage(
                stage, False, note=f"{stage.do.epochs} epochs over at most {len(self.prompts(asked)):,} examples"
            )
        return PlannedStage(stage, False)

    def prompts(self, stage: Stage) -> list[Prompt]:
        if stage.key not in self.drawn:
            slot = self.store.slot(stage.kind, stage.key)
            if slot.done is not None:
                self.drawn[stage.key] = list(read_prompts(slot.files("prompts-*.parquet")))
            elif isinstance(stage.do, Sample):
                self.drawn[stage.key] = list(stage.do.sampler.build(self.context()).sample())
            elif isinstance(stage.do, Questions):
                self.drawn[stage.key] = list(stage.do.evaluator.build(self.context()).prompts())
        return self.drawn[stage.key]

    def asking(self, teacher: Part, prompts: list[Prompt]) -> Estimate:
        built = teacher.build(self.context())
        return built.estimate(prompts) if isinstance(built, Estimates) else Estimate(len(prompts))

    def context(self) -> Context:
        return Context(self.run.seed, self.store.cache, _no_parts)


def totals(outcomes: list[Outcome]) -> Mapping[str, float]:
    """Tokens and money of all asking in the run, cached or not."""
    sums: dict[str, float] = {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0}
    for outcome in outcomes:
        if isinstance(outcome.stage.do, Ask):
            for name in sums:
                sums[name] += (outcome.slot.done or {}).get(name, 0)
    return sums
