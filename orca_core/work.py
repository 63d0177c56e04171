"""What each stage does: draw prompts, have them answered, select, train, score.

Every class here is a stage's ``do``: called with its own slot, its inputs' slots and the context, it leaves its files in
the slot and returns facts about them. Interrupted and called again, it carries on from the shards that are whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from orca_core.asking import Asking
from orca_core.component import Context
from orca_core.errors import OrcaError, UserError
from orca_core.parts import Part
from orca_core.protocols import AsksToScore, Flag, HasPools, Selector
from orca_core.records import Prompt, Score, Trace
from orca_core.seen import distinct
from orca_core.shards import crew
from orca_core.sieve import SAMPLES as HELD_BACK
from orca_core.sieve import Sieve, write_sieves
from orca_core.stats import clustered
from orca_core.store import Slot, write_json
from orca_core.tables import read_prompts, read_traces, write_prompts, write_traces
from orca_core.workers import build, judge

log = logging.getLogger("orca")
R = TypeVar("R")
Inputs = Mapping[str, Slot]
Facts = Mapping[str, Any]

QUESTIONS = "questions/"
"""Prefix of the role in which a screen is given an evaluator's questions."""
PROMPTS_PER_SHARD = 10_000
ANSWERS_PER_SHARD = 1_000


@dataclass(frozen=True)
class Sample:
    """Draw the prompts of a phase."""

    sampler: Part

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        sampler = self.sampler.build(context)
        facts = _write_prompts(slot, sampler.sample(), context, PROMPTS_PER_SHARD)
        pools = sampler.pools() if isinstance(sampler, HasPools) else {}
        return {**facts, "pools": pools} if pools else facts


@dataclass(frozen=True)
class Screened:
    """Hold the prompts of a phase against the evaluators' questions and each other, before anybody is asked."""

    screens: Mapping[str, Part]

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        questions = {
            role.removeprefix(QUESTIONS): _prompts(inner)
            for role, inner in inputs.items()
            if role.startswith(QUESTIONS)
        }
        sieves: list[Sieve[Prompt]] = []
        prompts: Iterable[Prompt] = _prompts(inputs["prompts"])
        for name, part in self.screens.items():
            sieves.append(Sieve(name, partial(part.build(context).screen, questions=questions), prompts))
            prompts = sieves[-1]
        facts = _write_prompts(slot, prompts, context, PROMPTS_PER_SHARD)
        dropped = dict(write_sieves(slot, sieves))
        if not facts["prompts"]:
            raise UserError(
                f"the screens dropped every prompt ({dropped}); loosen them, e.g. screen=[], or look at "
                f"{slot.path / HELD_BACK}"
            )
        return {**facts, "dropped": dropped}


@dataclass(frozen=True)
class Questions:
    """List the prompts of an evaluator."""

    evaluator: Part

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        return _some(_write_prompts(slot, self.evaluator.build(context).prompts(), context, ANSWERS_PER_SHARD))


@dataclass(frozen=True)
class Ask:
    """Have a teacher answer prompts, ``samples`` times each, and give every answer its verdict."""

    teacher: Part
    executor: Part
    samples: int = 1
    dead_letters: float = 0.0

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        teacher = self.teacher
        asking = Asking(
            build(teacher, None, context),
            teacher.component.name,
            context,
            self.samples,
            self.dead_letters,
            judge(teacher, context),
            crew(self.executor, teacher, None, context, slot),
        )
        return asking(slot, inputs["prompts"])


@dataclass(frozen=True)
class Answer:
    """Have a fitted student answer prompts, ``samples`` times each, and give every answer its verdict."""

    student: Part
    executor: Part
    samples: int = 1

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        student, checkpoint = self.student, inputs["checkpoint"].path / "checkpoint"
        workers = crew(self.executor, student, checkpoint, context, slot)
        asking = Asking(
            build(student, checkpoint, context),
            student.component.name,
            context,
            self.samples,
            verdict=judge(student, context),
            workers=workers,
        )
        return asking(slot, inputs["prompts"])


@dataclass(frozen=True)
class Select:
    """Keep the traces that every selector keeps; count, by reason, those that are dropped."""

    selectors: Mapping[str, Part]

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        sieves: list[Sieve[Trace]] = []
        traces: Iterable[Trace] = _Again(read_traces, inputs["traces"].files("traces-*.parquet"))
        for name, part in self.selectors.items():
            sieves.append(Sieve(name, partial(_flagged, part.build(context)), traces))
            traces = sieves[-1]
        total, kept = (inputs["traces"].done or {}).get("traces"), 0
        for index, shard in enumerate(_shards(traces, PROMPTS_PER_SHARD)):
            kept += write_traces(slot.path / f"traces-{index:05d}.parquet", shard)
            context.progress(sieves[0].before if sieves else kept, total)
        dropped = dict(write_sieves(slot, sieves))
        write_json(slot.path / "dropped.json", dropped)
        if kept == 0:
            raise UserError(
                f"selection dropped every trace ({dropped}); loosen it, e.g. selector=[finished], or look at "
                f"{slot.path / HELD_BACK}"
            )
        return {"traces": kept, "dropped": dropped}


@dataclass(frozen=True)
class Fit:
    """Train the student on the selected traces, from the previous phase's checkpoint if there is one."""

    student: Part
    epochs: int

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        init = inputs["init"].path / "checkpoint" if "init" in inputs else None
        examples = _Again(read_traces, inputs["examples"].files("traces-*.parquet"))
        self.student.build(context).fit(examples, epochs=self.epochs, init=init, out=slot.path)
        if not (slot.path / "checkpoint").is_dir():
            raise OrcaError(f"student '{self.student.component.name}' left no checkpoint in {slot.path}")
        return {"epochs": self.epochs}


@dataclass(frozen=True)
class Grade:
    """Score a subject's answers; intervals are those of clusters where several answers belong to one."""

    evaluator: Part

    def __call__(self, slot: Slot, inputs: Inputs, context: Context) -> Facts:
        clusters: dict[str, str] = {}

        def traces() -> Iterator[Trace]:
            for trace in read_traces(inputs["traces"].files("traces-*.parquet")):
                clusters[trace.prompt.id] = trace.prompt.query.cluster
                yield trace

        evaluator = self.evaluator.build(context)
        found = list(evaluator.score(traces()))
        scores = [clustered(score, clusters) for score in found]
        lines = [json.dumps(asdict(score), ensure_ascii=False) for score in scores]
        (slot.path / "scores.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return {"tasks": len(scores), **(evaluator.asked() if isinstance(evaluator, AsksToScore) else {})}


def read_scores(slot: Slot) -> list[Score]:
    """The scores that :class:`Grade` wrote."""
    rows = [json.loads(line) for line in (slot.path / "scores.jsonl").read_text().splitlines()]
    return [Score(**row | {"ci95": tuple(row["ci95"])}) for row in rows]


@dataclass(frozen=True)
class _Again(Generic[R]):
    """The records of files, from the start for everybody who looks through them."""

    read: Callable[[list[Path]], Iterator[R]]
    paths: list[Path]

    def __iter__(self) -> Iterator[R]:
        return self.read(self.paths)


def _prompts(slot: Slot) -> Iterable[Prompt]:
    return _Again(read_prompts, slot.files("prompts-*.parquet"))


def _flagged(selector: Selector, traces: Iterable[Trace]) -> Iterator[tuple[Trace, Flag | None]]:
    return ((trace, None if reason is None else Flag(reason)) for trace, reason in selector.select(traces))


def _write_prompts(slot: Slot, prompts: Iterable[Prompt], context: Context, per_shard: int) -> Facts:
    """Write prompts in shards, each id once, with a fingerprint of the whole draw; what comes again is told."""
    digest, count, drawn = hashlib.blake2b(digest_size=16), 0, 0

    def counted() -> Iterator[Prompt]:
        nonlocal drawn
        for prompt in prompts:
            drawn += 1
            yield prompt

    for index, shard in enumerate(_shards(distinct(counted(), lambda prompt: prompt.id), per_shard)):
        digest.update("".join(prompt.id for prompt in shard).encode())
        count += write_prompts(slot.path / f"prompts-{index:05d}.parquet", shard)
        context.progress(count)
    if count < drawn:
        log.info("%d of %d prompts are the same as others, word for word, and count once", drawn - count, drawn)
    return {"prompts": count, "fingerprint": digest.hexdigest()}


def _some(facts: Facts) -> Facts:
    if not facts["prompts"]:
        raise UserError("no prompts were drawn; check the sampler's (or evaluator's) size and filters")
    return facts


def _shards(records: Iterable[R], size: int) -> Iterator[list[R]]:
    iterator = iter(records)
    while shard := list(islice(iterator, size)):
        yield shard
