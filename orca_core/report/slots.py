"""Sections of the report from the stages of phases, or from a single stage's directory in the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orca_core.counts import count_answers, count_prompts
from orca_core.errors import UserError
from orca_core.report.drawn import describe_answers, describe_draw
from orca_core.report.funnel import describe_funnel
from orca_core.report.model import Report, StageRow
from orca_core.report.sections import Answers, Draw, Funnel
from orca_core.store import Slot

PROMPTS: Final = "prompts-*.parquet"
TRACES: Final = "traces-*.parquet"
_DRAWN: Final = ("sample", "screen")
_ANSWERED: Final = ("ask", "select", "answer")
KINDS: Final = (*_DRAWN, *_ANSWERED, "fit", "score")
"""Directories of a store."""

Phases = Mapping[str, Mapping[str, Slot]]
"""phase -> kind -> the finished slot of its stage"""


def data_sections(phases: Phases, names: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """``draws``, ``answers`` and ``funnels`` of ``report.json``; ``names`` are those of system messages by text."""
    answers = [_answers(name, slots["ask"]) for name, slots in phases.items() if "ask" in slots]
    funnels = [found for name, slots in phases.items() if (found := describe_funnel(name, slots))]
    sections: dict[str, list[Draw] | list[Answers] | list[Funnel]] = {
        "draws": list(_draws(phases, names)),
        "answers": answers,
        "funnels": funnels,
    }
    return {name: [section.model_dump(mode="json") for section in found] for name, found in sections.items()}


def is_slot(path: Path) -> bool:
    """Whether a directory is that of a stage in a store, finished or not."""
    marks = ("done.json", "lock")
    return path.absolute().parent.name in KINDS and any((path / mark).exists() for mark in marks)


def slot_report(path: Path) -> Report:
    """A report on nothing but one stage: its prompts or answers, and what was held back in it.

    Raises:
        UserError: the stage has not finished, or has neither prompts nor answers.
    """
    slot, kind = Slot(path), path.absolute().parent.name
    if kind not in (*_DRAWN, *_ANSWERED):
        raise UserError(
            f"{path}: a {kind} stage holds no prompts and no answers; give one of {', '.join((*_DRAWN, *_ANSWERED))}"
        )
    done = slot.done
    if done is None:
        raise UserError(f"{path}: this stage has not finished (it has no done.json); give its run's command again")
    title = str(done.get("stage", kind))
    counts = count_prompts(slot.files(PROMPTS)) if kind in _DRAWN else count_answers(slot.files(TRACES))
    funnel = describe_funnel(title, {kind: slot}) if kind in ("screen", "select") else None
    return Report(
        name=title,
        created=datetime.fromtimestamp((path / "done.json").stat().st_mtime, UTC).isoformat(timespec="seconds"),
        draws=[describe_draw(title, path.name, counts, done.get("pools"))],
        answers=[describe_answers(title, path.name, counts)] if kind in _ANSWERED else [],
        funnels=[funnel] if funnel else [],
        stages=[StageRow(name=title, key=path.name, seconds=done.get("seconds"), path=str(path.absolute()))],
    )


def message_names(node: Any) -> Iterator[tuple[str, str]]:
    """(text, name) of every system message in a sampler's config, however deep: ``messages: {m01: {text: ...}}``."""
    if not isinstance(node, Mapping):
        return
    for key, inner in node.items():
        if key == "messages" and isinstance(inner, Mapping):
            for name, message in inner.items():
                if isinstance(message, Mapping) and isinstance(message.get("text"), str):
                    yield message["text"], str(name)
        yield from message_names(inner)


def _draws(phases: Phases, names: Mapping[str, str]) -> Iterator[Draw]:
    """Each draw once, for all phases that share it."""
    shared: dict[Path, list[str]] = {}
    for name, slots in phases.items():
        shared.setdefault(slots["sample"].path, []).append(name)
    for path, titles in shared.items():
        slot = Slot(path)
        counts = count_prompts(slot.files(PROMPTS))
        yield describe_draw(", ".join(titles), path.name, counts, (slot.done or {}).get("pools"), names)


def _answers(name: str, slot: Slot) -> Answers:
    return describe_answers(name, slot.path.name, count_answers(slot.files(TRACES)))
