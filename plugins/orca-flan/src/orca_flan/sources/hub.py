"""Data sets of the Hugging Face Hub, streamed: any of them by a few lines of YAML, and nothing is downloaded but what is read.

A shard is a data file, read in the order of the files' names. Where a connection breaks, the file is opened again and read on
from the row where it broke. The token for a private data set is the one that ``huggingface_hub`` finds in its environment
(``HF_TOKEN``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from pydantic import Field, model_validator

from orca_core.component import unkeyed
from orca_core.errors import UserError, did_you_mean
from orca_flan.sources.base import Bad, Row
from orca_flan.sources.mapping import Mapped
from orca_flan.sources.picking import Wanted
from orca_flan.sources.tabular import ROWS_PER_TABLE, Tabular, check_columns

log = logging.getLogger("orca")
LOADERS: Final = ("csv", "json", "parquet")
"""Instead of a data set's name: data files anywhere, by their URLs."""
LONGEST_WAIT_S: Final = 60.0


class Hub(Mapped):
    """A data set of the Hugging Face Hub, streamed."""

    kind: Literal["hub"] = "hub"
    dataset: str = Field(
        min_length=1, description="OWNER/NAME on the Hub; or parquet, json or csv, for the URLs in data_files"
    )
    config: str | None = Field(None, description="the data set's configuration; null: its default")
    split: str = Field("train", description="the split that is read")
    data_files: tuple[str, ...] | None = Field(
        None, min_length=1, description="files of the data set, such as 'flan_zsopt_data/*.parquet', or URLs; null: all"
    )
    revision: str = Field(
        "main", description="branch, tag or commit; only a commit is the same data set tomorrow (part of the cache key)"
    )
    retries: int = unkeyed(5, ge=0, description="how often a broken connection is taken up again without a new row")
    wait: float = unkeyed(2.0, ge=0, description="seconds before that; doubled each time, up to a minute")

    @model_validator(mode="after")
    def _has_files(self) -> Hub:
        if self.dataset in LOADERS and not all("://" in file for file in self.data_files or [""]):
            raise ValueError(
                f"dataset={self.dataset} reads URLs; give data_files=[https://...], the name of a data set on the Hub, or "
                "read local files by kind: files"
            )
        return self

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"data set '{self.dataset}'" + (f" ({self.config})" if self.config else "")

    def open(self, collection: str) -> HubSource:
        """The source."""
        return HubSource(self, collection)


class HubSource:
    """One split. A shard is a data file; without a column for it, its rows' task is the data set's name.

    Args:
        config: which data set, and what its columns are.
        collection: that the queries belong to.
    """

    def __init__(self, config: Hub, collection: str) -> None:
        self._config, self._collection = config, collection
        self._files: tuple[str, ...] | None = None
        self._loader = ""

    def shards(self) -> Sequence[str]:
        """The URLs of the data files, with the commit that ``revision`` is at.

        Raises:
            UserError: the data set, its configuration, split or files are not there, or cannot be reached.
        """
        if self._files is None:
            self._files = tuple(sorted(self._resolve()))
        return self._files

    def read(self, shard: str, bad: Bad) -> Iterator[Row]:
        return (row for _, row in self.pick(shard, bad, lambda task, template: 0))

    def skim(self, shard: str, bad: Bad) -> Iterator[tuple[str, str]]:
        return self._tabular(shard).skim(self._tables(shard, self._config.needed(texts=False)), bad)

    def pick(self, shard: str, bad: Bad, wanted: Wanted) -> Iterator[tuple[int, Row]]:
        return self._tabular(shard).pick(self._tables(shard, self._config.needed()), bad, wanted)

    def _tabular(self, shard: str) -> Tabular:
        return Tabular(self._config, self._collection, shard, shard.rpartition("/")[2], self._config.dataset)

    def _resolve(self) -> list[str]:
        from datasets import load_dataset_builder

        config = self._config
        files = None if config.data_files is None else {config.split: list(config.data_files)}
        revision = None if config.dataset in LOADERS else config.revision
        try:
            builder = load_dataset_builder(config.dataset, config.config, data_files=files, revision=revision)
        except Exception as error:
            hint = "is the name right, the network up, and HF_TOKEN set if it is private?"
            raise UserError(f"{config.place}: {_why(error)}; {hint}") from error
        splits = builder.config.data_files or {}
        if config.split not in splits:
            raise UserError(f"{config.place}: no split '{config.split}'{did_you_mean(config.split, map(str, splits))}")
        self._loader = type(builder).__module__.rpartition(".")[2]
        return list(map(str, splits[config.split]))

    def _tables(self, shard: str, columns: Sequence[str]) -> Iterator[Any]:
        """A shard's rows as Arrow tables, over as many connections as it takes."""
        given = failures = 0
        while True:
            try:
                for table in self._connect(shard, columns, given):
                    yield table
                    given, failures = given + len(table), 0
                return
            except UserError:
                raise
            except Exception as error:
                if not _may_pass(error) or failures == self._config.retries:
                    raise self._broken(shard, given, error) from error
                wait = min(LONGEST_WAIT_S, self._config.wait * 2**failures)
                failures += 1
                log.warning("%s: broke off after row %d (%s); again in %.0f s", shard, given, _why(error), wait)
                time.sleep(wait)

    def _connect(self, shard: str, columns: Sequence[str], given: int) -> Iterator[Any]:
        """The tables of a shard from behind its row ``given`` on, which was a table's last: they are the same every time."""
        from datasets import load_dataset

        options: dict[str, Any] = {}
        stream = load_dataset(self._loader, data_files=[shard], split="train", streaming=True)
        if stream.column_names is not None:
            check_columns(shard, columns, stream.column_names)
        if self._loader == "parquet":
            options = {"columns": list(columns) or None, "batch_size": ROWS_PER_TABLE}
            stream = load_dataset(self._loader, data_files=[shard], split="train", streaming=True, **options)
        seen = 0
        for table in stream.with_format("arrow").iter(ROWS_PER_TABLE):
            seen += len(table)
            if seen > given:
                yield table

    def _broken(self, shard: str, given: int, error: Exception) -> UserError:
        tries = f" after {self._config.retries + 1} attempts" if _may_pass(error) else ""
        return UserError(
            f"{self._config.place}: {shard}: cannot be read beyond row {given}{tries}: {_why(error)}. What was drawn from the "
            "files before it is kept; the same command goes on with this one"
        )


def _may_pass(error: Exception) -> bool:
    """Whether a later attempt may succeed: the connection is at fault, or the server, not what is asked."""
    import aiohttp
    import httpx

    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return bool(status == 429 or status >= 500)
    gone = isinstance(error, FileNotFoundError | PermissionError)
    return isinstance(error, OSError | aiohttp.ClientError | httpx.HTTPError) and not gone


def _why(error: BaseException) -> str:
    """The innermost reason, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
