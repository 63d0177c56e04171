"""Having prompts answered: a file of traces per file of prompts, in the prompts' order whatever the order of arrival.

A shard is the unit of resumption, so that a student's batches, and with them its answers, never depend on interruptions.
A teacher that keeps its answers is first given all open prompts in one stream, without a pause between shards; the shards
are then filled from its log. A dead letter stays in its shard as a trace without an answer, and is what the next run asks again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from orca_core.component import Context
from orca_core.errors import OrcaError, OutOfBudgetError, UserError
from orca_core.protocols import Estimates, HasProvenance, KeepsAnswers, KeepsLog, Responder
from orca_core.records import DEAD, Prompt, Trace
from orca_core.store import Slot
from orca_core.tables import read_prompts, read_traces, write_traces

DEAD_LETTERS = "dead_letters.jsonl"
REASONS_SHOWN = 3


@dataclass(frozen=True)
class Shard:
    """A file of prompts, the file of their traces, and how many answers each prompt gets."""

    source: Path
    path: Path
    samples: int = 1

    def prompts(self) -> list[Prompt]:
        """Every prompt as often as it is asked, in order; one that is a sample already (of an evaluator) is the first of its own."""
        return [sample for prompt in read_prompts([self.source]) for sample in prompt.samples(self.samples)]

    def answered(self) -> dict[str, Trace]:
        """The answers of an earlier attempt by prompt id; dead letters are none."""
        if not self.path.exists():
            return {}
        return {trace.prompt.id: trace for trace in read_traces([self.path]) if trace.finish_reason != DEAD}

    def open(self) -> list[Prompt]:
        """The prompts that have no answer yet."""
        answered = self.answered()
        return [prompt for prompt in self.prompts() if prompt.id not in answered]


class Workers(Protocol):
    """Other processes that answer in this one's stead."""

    def fill(self, shards: Sequence[Shard], total: int) -> None:
        """Have the shards filled, each with the traces of its prompts."""
        ...

    def collect(self, prompts: Iterable[Prompt], total: int) -> dict[str, Trace]:
        """Have prompts answered, by key ranges, into the log of this process; returns the dead letters."""
        ...


@dataclass(frozen=True)
class Asking:
    """Who is asked, and what becomes of the answers."""

    responder: Responder
    who: str
    """The responder's name, for messages."""
    context: Context
    samples: int = 1
    dead_letters: float = 0.0
    """The share of the prompts that may end as dead letters."""
    verdict: Callable[[Trace], Trace] = lambda trace: trace
    workers: Workers | None = None
    """Those who do it in this process's stead."""

    def __call__(self, slot: Slot, prompts: Slot) -> Mapping[str, Any]:
        """Fill the slot with a shard of traces per shard of prompts.

        Returns:
            Facts for ``done.json``: traces, tokens, dollars, verdicts.

        Raises:
            OutOfBudgetError: with what is left to do and its cost.
            UserError: more dead letters than are allowed.
        """
        sources = prompts.files("prompts-*.parquet")
        shards = [Shard(s, slot.path / s.name.replace("prompts", "traces"), self.samples) for s in sources]
        total = (prompts.done or {}).get("prompts", 0) * self.samples
        try:
            self._do(shards, total)
        except OutOfBudgetError as error:
            raise OutOfBudgetError(f"{error}{self._left(shards)}") from None
        facts, dead = _summary(shards)
        _write_dead(slot.path / DEAD_LETTERS, dead)
        if len(dead) > self.dead_letters * total:
            raise UserError(_too_many(self.who, dead, total, slot.path / DEAD_LETTERS))
        return facts | _provenance(self.responder)

    def _do(self, shards: Sequence[Shard], total: int) -> None:
        if isinstance(self.responder, KeepsAnswers) and self.responder.keeps_answers:
            self.fill(shards, total, self._collect(shards, total))
        elif self.workers is None:
            self.fill(shards, total)
        else:
            self.workers.fill(shards, total)

    def fill(self, shards: Sequence[Shard], total: int, dead: Mapping[str, Trace] = MappingProxyType({})) -> None:
        """Have each shard answered by itself, but for the prompts that are known to be dead letters."""
        done = 0
        for shard in shards:
            prompts, answered = shard.prompts(), shard.answered()
            missing = [prompt for prompt in prompts if prompt.id not in answered]
            if missing:
                known = answered | {prompt.id: dead[prompt.id] for prompt in missing if prompt.id in dead}
                asked = [prompt for prompt in missing if prompt.id not in dead]
                known |= self._answers(asked, done + len(known), total)
                write_traces(shard.path, [known[prompt.id] for prompt in prompts])
            done += len(prompts)
            self.context.progress(done, total)

    def _collect(self, shards: Sequence[Shard], total: int) -> dict[str, Trace]:
        """Have everything answered that is open, in one stream, into the responder's own log; returns the dead letters."""
        if self.workers is not None and isinstance(self.responder, KeepsLog):
            return self.workers.collect(self.responder.pending(p for shard in shards for p in shard.open()), total)
        dead: dict[str, Trace] = {}
        done, dollars = 0, 0.0

        def stream() -> Iterator[Prompt]:
            nonlocal done
            for shard in shards:
                prompts, answered = shard.prompts(), shard.answered()
                done += len(answered)
                yield from (prompt for prompt in prompts if prompt.id not in answered)

        with _stopping(self.responder.respond(stream())) as traces:
            for trace in traces:
                done += 1
                dollars += trace.cost_usd or 0.0
                if trace.finish_reason == DEAD:
                    dead[trace.prompt.id] = trace
                figures = {"dollars": dollars, "dead letters": len(dead)}
                self.context.progress(done, total, **{name: figure for name, figure in figures.items() if figure})
        return dead

    def _answers(self, prompts: Sequence[Prompt], before: int, total: int) -> dict[str, Trace]:
        answers: dict[str, Trace] = {}
        with _stopping(self.responder.respond(prompts)) as traces:
            for trace in traces:
                answers[trace.prompt.id] = self.verdict(trace)
                self.context.progress(before + len(answers), total)
        missing = {prompt.id for prompt in prompts} - answers.keys()
        if missing:
            raise OrcaError(
                f"'{self.who}' left {len(missing)} of {len(prompts)} prompts without an answer (first: {min(missing)})"
            )
        return answers

    def _left(self, shards: Sequence[Shard]) -> str:
        if not isinstance(self.responder, Estimates):
            return ""
        estimate = self.responder.estimate(prompt for shard in shards for prompt in shard.open())
        cost = "" if estimate.cost_usd is None else f", about ${estimate.cost_usd:,.2f}"
        return f"; left to do: {estimate.prompts:,} prompts{cost}. What arrived is kept; the same command goes on from there"


def _stopping(traces: Iterator[Trace]) -> AbstractContextManager[Iterator[Trace]]:
    """Closes a responder's iterator, which stops its work, however the loop over it ends."""
    return closing(traces) if isinstance(traces, Generator) else nullcontext(traces)


def _summary(shards: Sequence[Shard]) -> tuple[dict[str, Any], list[Trace]]:
    """Sums over all traces, and the dead letters among them, in one pass over the files."""
    sums: Counter[str] = Counter()
    dead: list[Trace] = []
    for shard in shards:
        for trace in read_traces([shard.path]):
            if trace.finish_reason == DEAD:
                dead.append(trace)
            figures = {
                "prompt_tokens": trace.prompt_tokens,
                "completion_tokens": trace.completion_tokens,
                "cost_usd": trace.cost_usd,
                "judged": int(trace.correct is not None),
                "correct": int(bool(trace.correct)),
            }
            sums["traces"] += 1
            sums.update({name: value for name, value in figures.items() if value})
    facts = {name: round(value, 6) for name, value in sums.items()}
    return facts | ({"dead_letters": len(dead)} if dead else {}), dead


def _provenance(responder: Responder) -> dict[str, Any]:
    return {"provenance": dict(responder.provenance())} if isinstance(responder, HasProvenance) else {}


def _write_dead(path: Path, dead: Sequence[Trace]) -> None:
    path.unlink(missing_ok=True)
    if dead:
        rows = [
            {"id": t.prompt.id, "task": t.prompt.query.task, "query": t.prompt.query.text, "error": t.error}
            for t in dead
        ]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _too_many(who: str, dead: Sequence[Trace], total: int, path: Path) -> str:
    reasons = Counter(trace.error for trace in dead).most_common()
    shown = "; ".join(f"{count} x {reason}" for reason, count in reasons[:REASONS_SHOWN])
    more = f"; and {len(reasons) - REASONS_SHOWN} other reasons" if len(reasons) > REASONS_SHOWN else ""
    return (
        f"'{who}' gave no answer to {len(dead):,} of {total:,} prompts ({shown}{more}), listed in {path}. The other answers are "
        f"kept: the same command asks just these again; dead_letters={_ceil_share(len(dead), total)} goes on without them"
    )


def _ceil_share(part: int, whole: int) -> float:
    """The smallest share in thousandths that allows so many."""
    return -(-part * 1000 // whole) / 1000
