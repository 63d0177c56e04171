"""``report.json`` as typed records. Only names are required, so that a report of an unfinished or older run still shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from orca_core.errors import DataError, UserError
from orca_core.report.sections import Answers, Draw, Funnel
from orca_core.report.subjects import Disagreement, Paired

REPORT: Final = "report.json"
ITEMS: Final = "items.json"
CLUSTERS: Final = "clusters.json"
STUDENT: Final = "student"
BASE: Final = "base"
"""The subject name of the student as it is before any training."""
VALIDATION: Final = "validation_loss"
"""The figure of a measurement on held-out questions, in a student's ``metrics.jsonl``."""

ItemKey = tuple[str, str, str, str]
"""(evaluator, subject, task, metric)."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ScoreRow(_Record):
    """One figure of one subject."""

    evaluator: str
    task: str
    subject: str = STUDENT
    metric: str = "accuracy"
    value: float | None = None
    n: int | None = None
    ci95: tuple[float | None, float | None] | None = None
    chance: float | None = None
    format_ok: float | None = None
    references: dict[str, float | None] = {}
    clusters: int | None = None
    note: str = ""


class StageRow(_Record):
    """One stage of the run, such as ``ask/assistant``."""

    name: str
    key: str = ""
    cached: bool = False
    seconds: float | None = None
    path: str = ""


class PhaseRow(_Record):
    """One phase of the curriculum: what was asked, what selection kept, what it cost."""

    phase: str
    teacher: str = ""
    prompts: int | None = None
    kept: int | None = None
    dropped: dict[str, int] = {}
    epochs: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    judged: int | None = None
    """Answers with a verdict, and how many of them were correct."""
    correct: int | None = None
    dead_letters: int | None = None


class Curve(_Record):
    """The training figures of one phase, thinned; each point has ``step`` and may have ``tokens``, ``loss``, ...

    A point with ``validation_loss`` tells of held-out questions instead of a step.
    """

    phase: str
    points: list[dict[str, float | None]] = []


class Sample(_Record):
    """One answer to look at."""

    evaluator: str
    task: str
    subject: str = STUDENT
    system: str | None = None
    query: str = ""
    response: str = ""
    target: str | None = None
    correct: float | None = None
    finish_reason: str | None = None


class Report(_Record):
    """A whole ``report.json``."""

    name: str = "run"
    created: str = ""
    scores: list[ScoreRow] = []
    comparisons: list[Paired] = []
    disagreement: list[Disagreement] = []
    stages: list[StageRow] = []
    curriculum: list[PhaseRow] = []
    curves: list[Curve] = []
    draws: list[Draw] = []
    answers: list[Answers] = []
    funnels: list[Funnel] = []
    samples: list[Sample] = []
    versions: dict[str, Any] = {}
    config: dict[str, Any] = {}
    overrides: list[str] = []
    store: str = ""


def load(path: Path | str) -> Report:
    """The report of a run directory, or of a ``report.json`` itself.

    Raises:
        UserError: nothing there, or a directory without a report.
        DataError: the file is no JSON or has not the shape of a report.
    """
    path = Path(path)
    file = path / REPORT if path.is_dir() else path
    if not file.exists():
        known = f"{path} has no {REPORT}" if path.is_dir() else f"{path} does not exist"
        raise UserError(
            f"{known}: give the directory of a finished run or draw (orca prints it at its end), or that of a stage in the "
            "store, e.g. store/sample/KEY"
        )
    return parse(read_json(file), file)


def parse(data: Any, source: Path | str = REPORT) -> Report:
    """The report in decoded JSON; ``source`` is named in errors.

    Raises:
        DataError: not the shape of a report; every problem is listed.
    """
    try:
        return data if isinstance(data, Report) else Report.model_validate(data)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'report'}: {e['msg'].lower()}" for e in error.errors()]
        raise DataError(source, "not a report of orca run\n  " + "\n  ".join(problems)) from error


def load_items(run: Path) -> dict[ItemKey, dict[str, float]]:
    """The item values beside a report, by evaluator, subject, task and metric; empty if the run kept none.

    Raises:
        DataError: the file is malformed.
    """
    file = run / ITEMS
    if not file.exists():
        return {}
    data = read_json(file)
    try:
        return {_item_key(key): {str(i): float(v) for i, v in values.items()} for key, values in data.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(file, f"expected {{evaluator/subject/task/metric: {{prompt id: value}}}} ({error})") from error


def load_clusters(run: Path) -> dict[str, str]:
    """The clusters of the items beside a report, by item; empty if each stands for itself.

    Raises:
        DataError: the file is malformed.
    """
    file = run / CLUSTERS
    data = read_json(file) if file.exists() else {}
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data.values()):
        raise DataError(file, "expected {query id: cluster}")
    return data


def read_json(file: Path) -> Any:
    """Decoded JSON.

    Raises:
        DataError: unreadable, or no JSON; names the line.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(
            file, f"not JSON ({error.msg}); run the same command again to write it anew", line=error.lineno
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(file, f"cannot be read ({error})") from error


def nested(config: Mapping[str, Any], key: str) -> Any:
    """The value at a dotted key of a config, None if there is none."""
    node: Any = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _item_key(text: str) -> ItemKey:
    """A task may contain slashes; the other three parts may not."""
    head, metric = text.rsplit("/", 1)
    evaluator, subject, task = head.split("/", 2)
    return evaluator, subject, task, metric
