"""What is to be exported: the answers of a run's phases, or of one stage in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orca_core.errors import UserError, did_you_mean
from orca_core.records import DEAD, Trace
from orca_core.report import Report, load
from orca_core.store import Slot
from orca_core.tables import read_traces

_PHASE_KINDS: Final = ("sample", "screen", "ask", "select")
_ANSWERED: Final = ("ask", "select", "answer")


@dataclass(frozen=True, slots=True)
class Phase:
    """One file of training data to be: the answers of a slot."""

    name: str
    answers: Slot
    slots: Mapping[str, Slot]
    """The finished stages of the phase by kind, as far as they are known."""

    def traces(self) -> Iterator[Trace]:
        """The answers, without dead letters, which are none."""
        return (trace for trace in read_traces(self.answers.files("traces-*.parquet")) if trace.finish_reason != DEAD)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported."""

    name: str
    phases: Sequence[Phase]
    run: Report | None = None
    """The run that it is of, where one was given."""


def find_subject(path: Path, phase: str | None = None) -> Subject:
    """What a path stands for.

    Args:
        path: the directory of a run, or of a stage with answers in the store.
        phase: the one phase of the run that is wanted.

    Raises:
        UserError: it is neither, is not finished, or has no such phase; what is there instead.
    """
    if not path.exists():
        raise UserError(f"{path}: no such directory; wanted is that of a run, such as outputs/orca/2026-01-31_12-00-00")
    if (path / "multirun.yaml").exists():
        jobs = sorted(report.parent.name for report in path.glob("*/report.json"))
        raise UserError(f"{path}: a sweep of several runs; give one of them, such as {path / (jobs or ['0'])[0]}")
    if (path / "report.json").is_file() or path.name == "report.json":
        return _of_run(path, phase)
    if phase is not None:
        raise UserError(f"{path}: --phase {phase} chooses among the phases of a run, and this is none")
    return _of_slot(path)


def _of_run(path: Path, wanted: str | None) -> Subject:
    report = load(path)
    stages = {stage.name: Slot(Path(stage.path)) for stage in report.stages if stage.path}
    names = [row.phase for row in report.curriculum]
    if wanted is not None and wanted not in names:
        raise UserError(f"{path}: no phase is called '{wanted}'{did_you_mean(wanted, names)}")
    phases = []
    for name in names if wanted is None else [wanted]:
        slots = {kind: stages[f"{kind}/{name}"] for kind in _PHASE_KINDS if f"{kind}/{name}" in stages}
        slots = {kind: slot for kind, slot in slots.items() if slot.done is not None}
        if "select" not in slots:
            raise UserError(
                f"{path}: the answers of phase '{name}' are not in the store any more; the run's own command makes them again"
            )
        phases.append(Phase(name, slots["select"], slots))
    if not phases:
        raise UserError(f"{path}: this run has no phases, only what was drawn; there are no answers to export")
    return Subject(report.name, phases, report)


def _of_slot(path: Path) -> Subject:
    slot, kind = Slot(path), path.absolute().parent.name
    if kind not in _ANSWERED:
        holds = "holds prompts without answers" if slot.files("prompts-*.parquet") else "is neither a run nor a stage"
        raise UserError(f"{path}: {holds}; give a run's directory, or a stage's in the store: select/KEY or ask/KEY")
    if slot.done is None:
        raise UserError(f"{path}: this stage is not finished; the run's own command carries on with it")
    return Subject(f"{kind}-{path.name[:8]}", [Phase(kind, slot, {kind: slot})])
