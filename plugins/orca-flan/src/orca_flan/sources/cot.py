"""FLAN's chain-of-thought files: ``question <tab> answer <tab> explanation``, a line break written as backslash and n.

Nothing else is escaped, quotes least of all, so no CSV reader is involved: what is read can be written back byte for byte.
Nine files are nine tasks; with an inversion of each they are the paper's 18 tasks (149,460 queries on the full files).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from orca_core.component import Config
from orca_core.errors import DataError, did_you_mean
from orca_core.files import read_lines
from orca_core.records import Query
from orca_flan.sources.base import Bad, Row, files_in, gold, sound
from orca_flan.sources.inversion import invert
from orca_flan.sources.options import options_of

SETS: Final = {
    **dict.fromkeys(("gsm8k", "strategyqa", "creak", "qasc", "esnli", "ecqa", "sensemaking"), "cot"),
    **dict.fromkeys(("aqua", "qed"), "stream"),
}
"""The nine sets, after which their files are called, with what FLAN puts before their tasks' names."""
INVERTED: Final = "input_inversion_"


class Cot(Config):
    """FLAN's chain-of-thought TSV files."""

    kind: Literal["cot"] = "cot"
    path: Path = Field(description="the directory of the files, such as gsm8k_train.tsv, or one of them")
    inversions: bool = Field(
        True, description="whether each row also asks for its question, given answer and explanation"
    )

    def open(self, collection: str) -> CotSource:
        """The source."""
        return CotSource(self, collection)


class CotSource:
    """A shard is a file. A row's inversion comes right behind it, as a query of another task."""

    def __init__(self, config: Cot, collection: str) -> None:
        self._config, self._collection = config, collection

    def shards(self) -> Sequence[str]:
        shards = files_in(self._config.path, "*.tsv")
        for shard in shards:
            self._set(shard)
        return shards

    def read(self, shard: str, bad: Bad) -> Iterator[Row]:
        path = self._config.path / shard if self._config.path.is_dir() else self._config.path
        return sound(path, self._rows(path, self._set(shard), bad), bad)

    def _rows(self, path: Path, name: str, bad: Bad) -> Iterator[tuple[int, Row]]:
        number = 0
        for number, line in read_lines(path):
            fields = line if isinstance(line, DataError) else _fields(path, number, line)
            if isinstance(fields, DataError):
                bad(fields)
                continue
            query = self._query(path, _task(name), *fields)
            yield number, Row(query)
            if self._config.inversions:
                yield number, Row(invert(query, _task(name, INVERTED)))
        if number == 0:
            bad(DataError(path, "the file has no rows"))

    def _query(self, path: Path, task: str, text: str, target: str, explanation: str) -> Query:
        choices = options_of(text, target)
        meta = {"template": "zs", "source": path.name, "explanation": explanation, **gold(target, choices)}
        return Query(text, task, self._collection, target, choices, meta)

    def _set(self, shard: str) -> str:
        name = Path(shard).stem.split("_")[0]
        if name not in SETS:
            raise DataError(
                self._config.path,
                f"'{shard}' is none of FLAN's chain-of-thought files, which are called after their sets "
                f"(gsm8k_train.tsv){did_you_mean(name, SETS)}; read others by 'kind: files'",
            )
        return name


def _task(name: str, infix: str = "") -> str:
    return f"{SETS[name]}_{infix}{name}"


def _fields(path: Path, number: int, line: str) -> list[str] | DataError:
    fields = line.removesuffix("\n").split("\t")
    if len(fields) != 3:
        what = f"{len(fields)} tab-separated fields, not 3 (question, answer, explanation)"
        return DataError(path, what, line=number)
    if "\r" in line:
        return DataError(path, "a carriage return; convert the file's line ends, e.g. with dos2unix", line=number)
    return [field.replace("\\n", "\n") for field in fields]
