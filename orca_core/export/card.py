"""The data card of an export: README.md, with the front matter that ``datasets`` and the Hub read.

Its configs: https://huggingface.co/docs/hub/datasets-manual-configuration; its other fields:
https://github.com/huggingface/hub-docs/blob/main/datasetcard.md. No date and no path of this machine gets in, so that the same
answers make the same card, and no secret.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from orca_core.export.origins import UNKNOWN, collection_origin, teacher_origin
from orca_core.export.subject import Phase, Subject
from orca_core.export.tally import Tally
from orca_core.formats import DATA, Format
from orca_core.records import Prompt, Query, Trace
from orca_core.redaction import SECRET, redacted
from orca_core.report.funnel import describe_funnel
from orca_core.report.html import dump_yaml

SHOWN: Final = 20
"""System messages in the card."""
_ADDRESS: Final = re.compile(r"(?i)(api_?base|base_?url|url|host|endpoint|address)$")
_ABSOLUTE: Final = re.compile(r"(?<![\w.:/~-])~?/(?:[^\s/,\]}\"']+/)+")
_SIZES: Final = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
"""Where the Hub's size categories begin and end."""


@dataclass(frozen=True, slots=True)
class Part:
    """One phase as it was written."""

    phase: Phase
    config: str
    """What ``load_dataset`` calls it."""
    folder: str
    """Where it is below ``data/`` and ``details/``; empty if it is the only one."""
    tally: Tally


def card(subject: Subject, format: Format, parts: Sequence[Part]) -> str:
    """The text of README.md."""
    run = subject.run
    collections, teachers = _collections(parts), _teachers(parts)
    rows = sum(part.tally.rows for part in parts)
    terms = [row["origin"].terms for row in (*collections, *teachers)]
    body = _template().render(
        name=subject.name,
        format=format,
        folder=f"PATH/{DATA}/{parts[0].folder}" if parts[0].folder else "PATH",
        parts=parts,
        rows=rows,
        collections=collections,
        teachers=teachers,
        messages=_messages(parts),
        funnels=[found for part in parts if (found := describe_funnel(part.phase.name, part.phase.slots))],
        axolotl=dump_yaml({"datasets": [{"path": "PATH", "name": part.config, **format.axolotl} for part in parts]}),
        phases={row.phase: row for row in run.curriculum} if run else {},
        command=command(run.overrides) if run else None,
        seed=run.config.get("seed") if run else None,
        versions=run.versions if run else {},
    )
    front: dict[str, Any] = {
        "pretty_name": subject.name,
        "license": UNKNOWN if any(term.startswith(UNKNOWN) for term in terms) else "other",
        "task_categories": ["text-generation"],
        "tags": ["explanation-tuning", "orca", "synthetic"],
        "size_categories": [_size(rows)],
        "configs": [_config(part, format) for part in parts],
    }
    if format.suffix == ".jsonl":
        # without them, a reader of JSON guesses; a list for each, as YAML would make one list an anchor
        front["dataset_info"] = [{"config_name": part.config, "features": _fields(format)} for part in parts]
    return f"---\n{dump_yaml(front)}---\n\n{body}"


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": _cell, "share": lambda n, of: f"{100 * n / of:.1f} %"}
    return environment.get_template("card.md.j2")


def command(overrides: Sequence[str]) -> str:
    """The command of a run, without secrets, addresses of servers, and directories of this machine."""
    return shlex.join(["orca", "run", *map(_scrubbed, overrides)])


def _scrubbed(override: str) -> str:
    key, equals, value = override.partition("=")
    if SECRET.search(key) or _ADDRESS.search(key):
        return f"{key}{equals}***"
    return key + equals + _ABSOLUTE.sub("", str(redacted(value)))


def _config(part: Part, format: Format) -> dict[str, Any]:
    path = "/".join(filter(None, (DATA, part.folder, f"train-*{format.suffix}")))
    return {"config_name": part.config, "data_files": [{"split": "train", "path": path}]}


def _fields(format: Format) -> list[dict[str, Any]]:
    """The features of a format, by what it makes of a trace: texts, and lists of objects of texts."""
    assert format.write is not None, f"{format.name} is only read"
    row = format.write(Trace(Prompt(Query("", "")), "", ""))
    return [{"name": name, **_feature(value)} for name, value in row.items()]


def _feature(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"dtype": "string"}
    return {"list": [{"name": name, "dtype": "string"} for name in value[0]]}


def _size(rows: int) -> str:
    below = next((index for index in range(len(_SIZES)) if rows < 1000 * 10**index), None)
    if below is None:
        return f"n>{_SIZES[-1]}"
    return f"{_SIZES[below - 1]}<n<{_SIZES[below]}" if below else f"n<{_SIZES[0]}"


def _collections(parts: Sequence[Part]) -> list[dict[str, Any]]:
    counts = sum((part.tally.collections for part in parts), Counter[str]())
    tasks = {(collection, task) for part in parts for collection, task in part.tally.tasks}
    return [
        {"origin": collection_origin(name), "rows": n, "tasks": sum(collection == name for collection, _ in tasks)}
        for name, n in counts.most_common()
    ]


def _teachers(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        {
            "phase": part.phase.name,
            "model": model,
            "rows": n,
            "decoding": ", ".join(f"{key}={value}" for key, value in json.loads(decoding).items()),
            "origin": teacher_origin(model),
        }
        for part in parts
        for (model, decoding), n in part.tally.teachers.most_common()
    ]


def _messages(parts: Sequence[Part]) -> dict[str, Any]:
    counts = sum((part.tally.messages for part in parts), Counter[str]())
    further = sum(part.tally.further_messages for part in parts)
    shown = counts.most_common(SHOWN)
    return {
        "shown": shown,
        "different": f"more than {len(counts):,}" if further else f"{len(counts):,}",
        "others": counts.total() + further - sum(n for _, n in shown),
    }


def _cell(text: object) -> str:
    """Text for a cell of a Markdown table: on one line, and nothing in it is markup."""
    line = " ".join(str(text).split())
    line = line if len(line) <= 120 else line[:119] + "…"
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", line).replace("<", "&lt;") or "(empty)"
