"""Any local data: JSONL, JSON, CSV and Parquet files whose columns are mapped to the parts of a query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from orca_core.errors import DataError
from orca_core.files import SUFFIXES, read_records
from orca_flan.sources.base import Bad, Row, files_in, sound
from orca_flan.sources.mapping import Mapped
from orca_flan.sources.picking import Wanted
from orca_flan.sources.tabular import Tabular, tables


class Files(Mapped):
    """JSONL, JSON, CSV or Parquet files."""

    kind: Literal["files"] = "files"
    path: Path = Field(description="a file, or a directory of files")
    pattern: str = Field("**/*", description="which of the directory's files, such as '*_zs*.parquet'")

    def open(self, collection: str) -> FilesSource:
        """The source."""
        return FilesSource(self, collection)


class FilesSource:
    """A shard is a file. Without a column for it, its rows' task is the file's name."""

    def __init__(self, config: Files, collection: str) -> None:
        self._config, self._collection = config, collection

    def shards(self) -> Sequence[str]:
        path, pattern = self._config.path, self._config.pattern
        shards = [name for name in files_in(path, pattern) if name.endswith(SUFFIXES)]
        if not shards:
            raise DataError(path, f"no data file; known kinds: {', '.join(SUFFIXES)}")
        return shards

    def read(self, shard: str, bad: Bad) -> Iterator[Row]:
        return (row for _, row in self.pick(shard, bad, lambda task, template: 0))

    def skim(self, shard: str, bad: Bad) -> Iterator[tuple[str, str]]:
        path, config = self._path(shard), self._config
        if path.suffix == ".parquet":
            yield from self._tabular(path).skim(tables(path, config.needed(texts=False)), bad)
            return

        def parse(values: Mapping[str, Any]) -> tuple[str, str] | None:
            return (config.task(values, path.stem), config.template(values)) if config.wants(values) else None

        yield from (told for _, told in read_records(path, parse, bad) if told is not None)

    def pick(self, shard: str, bad: Bad, wanted: Wanted) -> Iterator[tuple[int, Row]]:
        path, config = self._path(shard), self._config
        if path.suffix == ".parquet":
            yield from self._tabular(path).pick(tables(path, config.needed()), bad, wanted)
            return

        def parse(values: Mapping[str, Any]) -> tuple[int, Row] | None:
            if not config.wants(values):
                return None
            place = wanted(config.task(values, path.stem), config.template(values))
            return None if place is None else (place, config.row(values, self._collection, path.name, path.stem))

        for line, picked in read_records(path, parse, bad):
            if picked is not None:
                yield from ((picked[0], row) for row in sound(path, [(line, picked[1])], bad))

    def _path(self, shard: str) -> Path:
        return self._config.path / shard if self._config.path.is_dir() else self._config.path

    def _tabular(self, path: Path) -> Tabular:
        return Tabular(self._config, self._collection, path, path.name, path.stem)
