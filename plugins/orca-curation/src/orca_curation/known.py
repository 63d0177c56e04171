"""Tasks that are known to be made of a benchmark, as data: ``known_overlaps.yaml`` and the user's own cases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import Field

from orca_core.component import Config
from orca_curation.named import read_named

_SHIPPED: Final = Path(__file__).with_name("known_overlaps.yaml")


class Case(Config):
    """A benchmark, and the tasks that are made of it."""

    tasks: tuple[str, ...] = Field(min_length=1, description="globs over collection/task")
    evaluators: tuple[str, ...] = Field(
        (), description="globs over an evaluator's name, its tasks, and evaluator/task: those that ask the benchmark"
    )
    why: str = Field(min_length=1, description="what the two have in common")


class Known(NamedTuple):
    """What is known of a task."""

    benchmark: str
    why: str
    evaluator: str
    """Of this run, which asks the benchmark; empty: none does."""
    task: str
    """The evaluator's task; the benchmark, if no evaluator asks it."""


class KnownCases:
    """Looks tasks up.

    Args:
        cases: by benchmark.
        asked: the evaluators of the run with each of their tasks.
    """

    def __init__(self, cases: Mapping[str, Case], asked: Collection[tuple[str, str]]) -> None:
        self._cases = {name: (case, _who_asks(case, asked)) for name, case in cases.items()}
        self._found: dict[tuple[str, str], Known | None] = {}

    def find(self, collection: str, task: str) -> Known | None:
        """What is known of a task; of several benchmarks, of one that this run asks."""
        key = collection, task
        if key not in self._found:
            self._found[key] = self._look(f"{collection}/{task}")
        return self._found[key]

    def _look(self, task: str) -> Known | None:
        first = None
        for benchmark, (case, asker) in self._cases.items():
            if _matches((task,), case.tasks):
                if asker:
                    return Known(benchmark, case.why, *asker)
                first = first or Known(benchmark, case.why, "", benchmark)
        return first


def _who_asks(case: Case, asked: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    names = ((pair, (pair[0], pair[1], "/".join(pair))) for pair in asked)
    return next((pair for pair, named in names if _matches(named, case.evaluators)), None)


def _matches(names: Iterable[str], globs: Collection[str]) -> bool:
    return any(fnmatchcase(name.lower(), glob.lower()) for name in names for glob in globs)


@cache
def shipped_cases() -> dict[str, Case]:
    """The cases of ``known_overlaps.yaml``, by benchmark."""
    return read_cases(_SHIPPED)


def read_cases(path: Path) -> dict[str, Case]:
    """The cases of a YAML file, by benchmark.

    Raises:
        DataError: the file cannot be read or a case is wrong; with its line.
    """
    return read_named(path, Case, "case", "{tasks: [...], why: ...}")
