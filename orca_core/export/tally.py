"""Counting what goes by, for the card: in memory is as much as there are different messages, tasks and teachers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from orca_core.records import Trace

DISTINCT: Final = 1000
"""System messages that are told apart; data sets have sixteen, or one of its own for each row."""


@dataclass
class Tally:
    """What an export holds, complete when its traces have gone by."""

    rows: int = 0
    collections: Counter[str] = field(default_factory=Counter)
    tasks: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(collection, task)"""
    messages: Counter[str] = field(default_factory=Counter)
    further_messages: int = 0
    """Rows whose message came after :data:`DISTINCT` others."""
    teachers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(model, decoding as JSON)"""
    endings: Counter[str] = field(default_factory=Counter)
    targets: int = 0
    judged: int = 0
    correct: int = 0

    def watch(self, traces: Iterable[Trace]) -> Iterator[Trace]:
        """The same traces, counted as they go by."""
        for trace in traces:
            self._count(trace)
            yield trace

    def _count(self, trace: Trace) -> None:
        query, system = trace.prompt.query, trace.prompt.system
        self.rows += 1
        self.collections[query.collection] += 1
        self.tasks[query.collection, query.task] += 1
        if system in self.messages or len(self.messages) < DISTINCT:
            self.messages[system] += 1
        else:
            self.further_messages += 1
        self.teachers[trace.model, json.dumps(dict(trace.decoding), sort_keys=True)] += 1
        self.endings[trace.finish_reason] += 1
        self.targets += query.target is not None
        self.judged += trace.correct is not None
        self.correct += bool(trace.correct)
