"""Passing prompts or traces through screens and selectors, one after the other, with a record of all that is held back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from orca_core.errors import DataError
from orca_core.protocols import Flag
from orca_core.records import Prompt, Trace
from orca_core.store import Slot, write_json
from orca_core.tables import prompt_row, trace_row

T = TypeVar("T", bound=Prompt | Trace)
SIEVES: Final = "sieves.json"
"""Of each sieve in order: name, what came in, what was kept, and the counts of :class:`Finding`."""
SAMPLES: Final = "held_back.jsonl"
"""Examples of what each sieve flagged: the row of the prompt or trace with ``by``, ``reason``, ``dropped``, ``evidence``."""
SAMPLES_PER_REASON: Final = 5


class Finding(NamedTuple):
    """What flags are counted by."""

    reason: str
    dropped: bool
    collection: str
    task: str
    evaluator: str
    """The evaluator and its task that a prompt overlaps with."""
    evaluator_task: str


class Record(NamedTuple):
    """What a sieve left behind in its stage's slot."""

    name: str
    before: int
    kept: int
    findings: Counter[Finding]


class Sieve(Generic[T]):
    """What one screen or selector keeps of a source.

    Every pass over it begins anew, counts included: what looks twice at what it is given (to count before it chooses) makes
    the sieves before it work twice, and holds nothing in memory.

    Args:
        name: as configured.
        sift: gives every item of the source with what there is against it, in order.
        source: can be iterated over more than once.
    """

    def __init__(
        self, name: str, sift: Callable[[Iterable[T]], Iterable[tuple[T, Flag | None]]], source: Iterable[T]
    ) -> None:
        self.name = name
        self._sift = sift
        self._source = source
        self._begin()

    def _begin(self) -> None:
        self.before = self.kept = 0
        self.findings: Counter[Finding] = Counter()
        self.samples: dict[str, list[tuple[T, Flag]]] = {}

    def __iter__(self) -> Iterator[T]:
        self._begin()
        for item, flag in self._sift(self._source):
            self.before += 1
            if flag is not None:
                self._note(item, flag)
            if flag is None or not flag.drop:
                self.kept += 1
                yield item

    def _note(self, item: T, flag: Flag) -> None:
        query = item.prompt.query if isinstance(item, Trace) else item.query
        self.findings[Finding(flag.reason, flag.drop, query.collection, query.task, flag.evaluator, flag.task)] += 1
        samples = self.samples.setdefault(flag.reason, [])
        if len(samples) < SAMPLES_PER_REASON:
            samples.append((item, flag))

    @property
    def dropped(self) -> Counter[str]:
        """How many were dropped by ``name: reason``."""
        counts: Counter[str] = Counter()
        for finding, count in self.findings.items():
            if finding.dropped:
                counts[f"{self.name}: {finding.reason}"] += count
        return counts


def write_sieves(slot: Slot, sieves: Sequence[Sieve[Any]]) -> Counter[str]:
    """Leave the record of the sieves in a stage's slot; returns how many were dropped by ``name: reason``."""
    rows = [{"name": s.name, "before": s.before, "kept": s.kept, "findings": _counts(s)} for s in sieves]
    write_json(slot.path / SIEVES, {"sieves": rows})
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for sieve in sieves for row in _samples(sieve)]
    (slot.path / SAMPLES).write_text("".join(lines), encoding="utf-8")
    return sum((sieve.dropped for sieve in sieves), Counter())


def read_sieves(slot: Slot) -> list[Record]:
    """The record of a stage's sieves, in order; nothing of a stage that was done before there were records.

    Raises:
        DataError: the file is damaged.
    """
    file = slot.path / SIEVES
    if not file.exists():
        return []
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["sieves"]
        return [Record(row["name"], row["before"], row["kept"], _findings(row["findings"])) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            file, f"not the record of a stage's sieves ({error}); delete its directory and run again"
        ) from error


def _findings(rows: Sequence[dict[str, Any]]) -> Counter[Finding]:
    return Counter({Finding(*(row[name] for name in Finding._fields)): row["count"] for row in rows})


def _counts(sieve: Sieve[Any]) -> list[dict[str, Any]]:
    return [finding._asdict() | {"count": count} for finding, count in sieve.findings.most_common()]


def _samples(sieve: Sieve[Any]) -> Iterator[dict[str, Any]]:
    for reason, samples in sieve.samples.items():
        for item, flag in samples:
            row = trace_row(item) if isinstance(item, Trace) else prompt_row(item)
            yield {"by": sieve.name, "reason": reason, "dropped": flag.drop, "evidence": flag.evidence} | row
