"""Data sets on the disk: asked anew (``sampler=file``), or taken as they are (``teacher=replay``)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from orca_core.component import Component, Config
from orca_core.errors import DataError, UserError
from orca_core.files import stop
from orca_core.formats import FormatName, read_prompts, read_traces
from orca_core.protocols import Responder, Sampler
from orca_core.records import Prompt, Trace

log = logging.getLogger("orca")
SKIPS_SHOWN: Final = 3
"""Bad rows of a file that are told one by one."""


class DataConfig(Config):
    """A data file."""

    path: Path = Field(
        description="JSONL, JSON, Parquet or CSV, a folder of such files, or what orca export made; its content, not its name, "
        "decides the cache key"
    )
    format: FormatName = Field(
        "auto",
        description="what its rows are like; auto: told from the columns (orca: query, task, and optionally system, target, "
        "query_choices, ...)",
    )
    bad_rows: Literal["stop", "skip"] = Field(
        "stop", description="malformed rows, conversations of several turns: stop there, or skip and count them"
    )


class FileConfig(DataConfig):
    """Prompts from a file: our own rows, or a data set in OpenOrca's, SlimOrca's, ShareGPT's, Dolphin's, Alpaca's or chat form."""

    limit: int | None = Field(None, ge=1, description="take only the first so many rows")


class FileSampler:
    """Reads prompts from a file, in its order."""

    def __init__(self, config: FileConfig) -> None:
        self.config = config
        self._taken = self._skipped = 0

    def sample(self) -> Iterator[Prompt]:
        self._taken = self._skipped = 0
        bad = self._skip if self.config.bad_rows == "skip" else stop
        for prompt in islice(read_prompts(self.config.path, self.config.format, bad), self.config.limit):
            self._taken += 1
            yield prompt

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        return {self.config.path.name: {"taken": self._taken, "skipped": self._skipped}}

    def _skip(self, error: DataError) -> None:
        self._skipped += 1
        if self._skipped <= SKIPS_SHOWN:
            more = "; further ones are only counted" if self._skipped == SKIPS_SHOWN else ""
            log.warning("skipped: %s%s", error, more)


class ReplayConfig(DataConfig):
    """Answers from a file of earlier traces: our own (a store's traces-*.parquet), or a data set in one of the known formats."""

    model: str = Field("", description="who wrote the answers, where the file does not say")


class ReplayTeacher:
    """Looks answers up by query and system message; knows nothing beyond its file.

    Prompts that come in the file's order take one pass and no memory. What is passed over on the way to a prompt is held
    until it is asked for.
    """

    def __init__(self, config: ReplayConfig) -> None:
        self.config = config
        self._ahead: Iterator[Trace] = iter(())
        self._passed: dict[str, Trace] = {}

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            trace = self._find(prompt.id) or self._find_anew(prompt.id)
            if trace is None:
                raise UserError(
                    f"teacher 'replay': {self.config.path} has no answer for this prompt of task '{prompt.query.task}': "
                    f"{prompt.query.text[:80]!r}; sample from the same file, or ask another teacher. An evaluator's questions "
                    "it cannot be asked: 'subjects=[student,base]'"
                )
            yield replace(trace, prompt=prompt, model=trace.model or self.config.model)

    def _find(self, prompt_id: str) -> Trace | None:
        """The answer among those passed over, or else further ahead."""
        if prompt_id in self._passed:
            return self._passed.pop(prompt_id)
        for trace in self._ahead:
            if trace.prompt.id == prompt_id:
                return trace
            self._passed.setdefault(trace.prompt.id, trace)
        return None

    def _find_anew(self, prompt_id: str) -> Trace | None:
        """The answer in another pass from the beginning, for what is asked once more."""
        bad = stop if self.config.bad_rows == "stop" else lambda error: None
        self._ahead = read_traces(self.config.path, self.config.format, bad)
        self._passed.clear()
        return self._find(prompt_id)


FILE = Component[FileConfig, Sampler]("file", FileConfig, lambda config, context: FileSampler(config))
REPLAY = Component[ReplayConfig, Responder]("replay", ReplayConfig, lambda config, context: ReplayTeacher(config))
