"""Any local data: JSONL, JSON, CSV and Parquet files whose columns are mapped to the parts of a query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from orca_core.errors import DataError
from orca_core.files import SUFFIXES, read_records
from orca_flan.sources.base import Bad, Row, files_in, sound
from orca_flan.sources.mapping import Mapped


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
        path = self._config.path / shard if self._config.path.is_dir() else self._config.path

        def parse(values: Any) -> Row | None:
            config = self._config
            return config.row(values, self._collection, path.name, path.stem) if config.wants(values) else None

        records = read_records(path, parse, bad)
        return sound(path, ((line, row) for line, row in records if row is not None), bad)
