"""Doing a graph of stages."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orca_core.component import Context
from orca_core.config import RunConfig
from orca_core.graph import Graph, Stage
from orca_core.progress import stage_progress
from orca_core.store import Slot, Store, timed
from orca_core.work import Ask, Grade

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


def totals(outcomes: list[Outcome]) -> Mapping[str, float]:
    """Tokens and money of all asking in the run, cached or not."""
    sums: dict[str, float] = {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": 0.0}
    for outcome in outcomes:
        if isinstance(outcome.stage.do, (Ask, Grade)):
            for name in sums:
                sums[name] += (outcome.slot.done or {}).get(name, 0)
    return sums
