"""The way of a phase's prompts from the draw to training, read from what each stage left in its slot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from orca_core.errors import DataError
from orca_core.report.drawn import example
from orca_core.report.sections import Funnel, HeldBack, Overlap, Reason, Step
from orca_core.sieve import SAMPLES, Record, read_sieves
from orca_core.store import Slot

UNANSWERED: Final = "no answer"
_REASONS: Final = 12
_OVERLAPS: Final = 100

Facts = Mapping[str, Any]


def describe_funnel(title: str, slots: Mapping[str, Slot]) -> Funnel | None:
    """What became of the prompts of a phase; None where nothing looked through them.

    Args:
        title: the phase.
        slots: its finished stages by kind, those of ``sample``, ``screen``, ``ask``, ``select`` that there are.

    Raises:
        DataError: a record cannot be read.
    """
    done = {kind: slot.done or {} for kind, slot in slots.items()}
    sieves = {kind: read_sieves(slots[kind]) for kind in ("screen", "select") if kind in slots}
    steps = [_step(sieve) for sieve in sieves.get("screen", ())]
    if "ask" in done:
        steps.append(_asked(done))
    steps += [_step(sieve) for sieve in sieves.get("select", ())]
    if "select" in done and "select" in slots and not sieves["select"]:
        steps += _selected(done)
    if not any(sieves.values()) and not any(step.reasons for step in steps):
        return None
    overlaps = _overlaps([*sieves.get("screen", ()), *sieves.get("select", ())])
    held_back = [row for kind in ("screen", "select") if kind in slots for row in _held_back(slots[kind])]
    return Funnel(
        title=title, steps=steps, held_back=held_back, overlaps=overlaps[:_OVERLAPS], overlapping=len(overlaps)
    )


def _step(sieve: Record) -> Step:
    flagged: dict[tuple[str, bool], Counter[str]] = {}
    for finding, count in sieve.findings.items():
        counts = flagged.setdefault((finding.reason, finding.dropped), Counter())
        counts[finding.collection] += count
    ranked = sorted(flagged.items(), key=lambda item: -item[1].total())
    reasons = [_reason(reason, dropped, counts) for (reason, dropped), counts in ranked[:_REASONS]]
    for dropped in (True, False):
        rest = sum((counts for (_, was_dropped), counts in ranked[_REASONS:] if was_dropped == dropped), Counter())
        reasons += [_reason("other reasons", dropped, rest)] if rest else []
    return Step(name=sieve.name, before=sieve.before, after=sieve.kept, reasons=reasons)


def _reason(reason: str, dropped: bool, counts: Counter[str]) -> Reason:
    return Reason(reason=reason, count=counts.total(), dropped=dropped, collections=dict(counts.most_common()))


def _asked(done: Mapping[str, Facts]) -> Step:
    """Asking drops nothing: a prompt without an answer goes on as a dead letter, which selection drops."""
    prompts = next((done[kind]["prompts"] for kind in ("screen", "sample") if "prompts" in done.get(kind, {})), None)
    answers, dead = done["ask"]["traces"], done["ask"].get("dead_letters", 0)
    reasons = [Reason(reason=UNANSWERED, count=dead, dropped=False)] if dead else []
    return Step(name="asked", before=answers if prompts is None else prompts, after=answers, reasons=reasons)


def _selected(done: Mapping[str, Facts]) -> list[Step]:
    """Selection whose stage kept nothing but its counts by reason."""
    dropped, kept = done["select"].get("dropped", {}), done["select"]["traces"]
    reasons = [Reason(reason=reason, count=count) for reason, count in dropped.items()]
    return [Step(name="selection", before=kept + sum(dropped.values()), after=kept, reasons=reasons)] if dropped else []


def _held_back(slot: Slot) -> Iterator[HeldBack]:
    file = slot.path / SAMPLES
    if not file.exists():
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(file, f"not JSON ({error.msg})", line=number) from None
        why = {name: row[name] for name in ("by", "reason", "dropped", "evidence")}
        yield HeldBack(**example(row).model_dump(), **why)


def _overlaps(sieves: Iterable[Record]) -> list[Overlap]:
    """Pairs of a drawn task and an evaluator's, the most frequent first."""
    reasons: dict[tuple[str, ...], Counter[str]] = {}
    dropped: Counter[tuple[str, ...]] = Counter()
    columns = ("collection", "task", "evaluator", "evaluator_task")
    for sieve in sieves:
        for finding, count in sieve.findings.items():
            if finding.evaluator or finding.evaluator_task:
                pair = (sieve.name, *(getattr(finding, column) for column in columns))
                reasons.setdefault(pair, Counter())[finding.reason] += count
                dropped[pair] += count if finding.dropped else 0
    ranked = sorted(reasons.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        Overlap(**dict(zip(("by", *columns), pair, strict=True)), reasons=dict(counts), dropped=dropped[pair])
        for pair, counts in ranked
    ]
