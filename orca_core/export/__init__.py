"""Training data for others: the answers of a run as a data set in a format of theirs, with a data card."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orca_core.errors import DataError, UserError
from orca_core.export.card import Part, card
from orca_core.export.subject import Phase, Subject, find_subject
from orca_core.export.tally import Tally
from orca_core.export.writing import write_shards
from orca_core.formats import DATA, DETAILS, Format

__all__ = ["Exported", "export", "find_subject", "is_export"]

CARD: Final = "README.md"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    rows: int
    configs: tuple[str, ...]


def export(subject: Subject, format: Format, out: Path) -> Exported:
    """Write a data set into a new directory, which appears only when it is whole.

    Raises:
        UserError: the directory is there already; there is nothing to export.
        DataError: it cannot be written.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; choose another with --out DIR, or delete it")
    building = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        building.mkdir(parents=True)
        parts = [_write(phase, len(subject.phases) > 1, format, building) for phase in subject.phases]
        (building / CARD).write_text(card(subject, format, parts), encoding="utf-8")
        if format.llama_factory:
            info = {
                _title(subject, part): {"file_name": _below(DATA, part.folder), **format.llama_factory}
                for part in parts
            }
            (building / "dataset_info.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        building.rename(out)
    except OSError as error:
        raise DataError(out, f"cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Exported(out, sum(part.tally.rows for part in parts), tuple(part.config for part in parts))


def is_export(path: Path) -> bool:
    """Whether a directory is what :func:`export` makes."""
    return (path / CARD).is_file() and (path / DATA).is_dir()


def _write(phase: Phase, several: bool, format: Format, root: Path) -> Part:
    part = Part(phase, phase.name if several else "default", phase.name if several else "", Tally())
    folders = (root / _below(DATA, part.folder), root / _below(DETAILS, part.folder))
    if not write_shards(part.tally.watch(phase.traces()), format, *folders):
        raise UserError(f"{phase.answers.path}: no answers in phase '{phase.name}', only dead letters")
    return part


def _below(root: str, folder: str) -> str:
    return f"{root}/{folder}" if folder else root


def _title(subject: Subject, part: Part) -> str:
    """What LLaMA-Factory calls a part."""
    return f"{subject.name}-{part.folder}" if part.folder else subject.name
