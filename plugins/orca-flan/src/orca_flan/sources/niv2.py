"""Super-NaturalInstructions: a JSON file a task, with its definition and its instances."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from orca_core.component import Config
from orca_core.errors import DataError, did_you_mean
from orca_core.records import Query
from orca_flan.sources.base import Bad, Row, files_in, gold, sound
from orca_flan.sources.options import options_of
from orca_flan.sources.picking import Wanted

TEMPLATE: Final = "zs"


class Niv2(Config):
    """Super-NaturalInstructions task files, as its repository has them."""

    kind: Literal["niv2"] = "niv2"
    path: Path = Field(
        description="the directory of the files (task001_quoref_question_generation.json), or one of them"
    )

    def open(self, collection: str) -> Niv2Source:
        """The source."""
        return Niv2Source(self.path, collection)


class Niv2Source:
    """A shard is a file, which is a task; one is in memory at a time. A row's line is the number of its instance."""

    def __init__(self, path: Path, collection: str) -> None:
        self._path, self._collection = path, collection

    def shards(self) -> Sequence[str]:
        return files_in(self._path, "task*.json")

    def read(self, shard: str, bad: Bad) -> Iterator[Row]:
        return (row for _, row in self.pick(shard, bad, lambda task, template: 0))

    def skim(self, shard: str, bad: Bad) -> Iterator[tuple[str, str]]:
        path = self._file(shard)
        return ((path.stem, TEMPLATE) for _ in self._instances(path, _load(path), bad))

    def pick(self, shard: str, bad: Bad, wanted: Wanted) -> Iterator[tuple[int, Row]]:
        path = self._file(shard)
        task = _load(path)
        definition = _definition(path, _part(path, task, "Definition"))
        for number, text, targets in self._instances(path, task, bad):
            if (place := wanted(path.stem, TEMPLATE)) is not None:
                row = Row(self._query(path, definition, text, targets[0], targets[1:]))
                yield from ((place, good) for good in sound(path, [(number, row)], bad))

    def _file(self, shard: str) -> Path:
        return self._path / shard if self._path.is_dir() else self._path

    def _instances(self, path: Path, task: Mapping[str, Any], bad: Bad) -> Iterator[tuple[int, str, Sequence[str]]]:
        """Number, input and outputs."""
        instances = _part(path, task, "Instances")
        if not isinstance(instances, list):
            raise DataError(path, f"'Instances' must be a list, not {type(instances).__name__}")
        for number, instance in enumerate(instances, start=1):
            match instance:
                case {"input": str() as text, "output": [str(), *_] as targets} if all(
                    isinstance(target, str) for target in targets
                ):
                    yield number, text, targets
                case _:
                    what = f"instance {number} has no 'input' that is text, or no 'output' that is a list of texts"
                    bad(DataError(path, what, line=number))
        if not instances:
            bad(DataError(path, "the task has no instances"))

    def _query(self, path: Path, definition: str, text: str, target: str, more: Sequence[str]) -> Query:
        choices = options_of(text, target)
        others = [other for other in dict.fromkeys(more) if other != target]
        meta = {"template": TEMPLATE, "source": path.name, **gold(target, choices, others)}
        return Query(f"{definition}\n\n{text}", path.stem, self._collection, target, choices, meta)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        task = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise DataError(path, f"malformed JSON at column {error.colno}: {error.msg}", line=error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise DataError(path, f"JSON that cannot be read: {error}") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}") from None
    if not isinstance(task, dict):
        raise DataError(path, f"a task must be a JSON object, not {type(task).__name__}")
    return task


def _part(path: Path, task: Mapping[str, Any], name: str) -> Any:
    if name not in task:
        raise DataError(path, f"a task without '{name}'{did_you_mean(name, task)}")
    return task[name]


def _definition(path: Path, value: Any) -> str:
    """The definition, which older files have as a text and newer ones as a list of one."""
    text = value[0] if isinstance(value, list) and value else value
    if not isinstance(text, str) or not text.strip():
        raise DataError(path, "'Definition' must be a text, or a list with one")
    return text.strip()
