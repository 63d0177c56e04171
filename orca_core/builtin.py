"""The components that the core brings along: data from files, subsets, replayed answers, and the plainest selector."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from orca_core.component import Component, Config, Context, part
from orca_core.errors import DataError, UserError
from orca_core.hookspecs import hookimpl
from orca_core.local import LOCAL
from orca_core.protocols import Executor, Responder, Sampler, Selector, Verifier
from orca_core.records import FINISHED, Prompt, Trace
from orca_core.verify import ANSWER


class FileConfig(Config):
    """Prompts from a JSONL, Parquet or CSV file with the columns query, task, and optionally system, target, query_choices."""

    path: Path = Field(description="the file; its content, not its name, decides the cache key")
    limit: int | None = Field(None, ge=1, description="take only the first so many rows")


class FileSampler:
    """Reads prompts from a file, in its order."""

    def __init__(self, config: FileConfig) -> None:
        self.config = config

    def sample(self) -> Iterator[Prompt]:
        from orca_core.files import read_records
        from orca_core.tables import row_prompt

        for index, (line, prompt) in enumerate(read_records(self.config.path, row_prompt)):
            if self.config.limit is not None and index >= self.config.limit:
                return
            if not prompt.query.text.strip():
                raise DataError(self.config.path, "column 'query' is empty; give it text or delete the row", line=line)
            yield prompt


class SubsetConfig(Config):
    """A random subset of what another sampler draws, with the same ids (the paper's FLAN-1M of FLAN-5M)."""

    of: Any = part("sampler", description="the sampler to draw from")
    fraction: float = Field(0.2, gt=0, le=1, description="share of the prompts to keep")


class SubsetSampler:
    """Keeps round(fraction * n) of the n distinct prompts, chosen uniformly without replacement, in their order.

    Draws twice, first to number the prompts and then to keep the chosen ones, so that millions need not fit into memory.
    """

    def __init__(self, config: SubsetConfig, draw: Callable[[], Sampler], seed: int) -> None:
        self.config, self.draw, self.seed = config, draw, seed

    def sample(self) -> Iterator[Prompt]:
        first = _first_places(prompt.id for prompt in self.draw().sample())
        chosen = random.Random(f"subset {self.seed}").sample(
            range(len(first)), round(self.config.fraction * len(first))
        )
        kept = iter(sorted(int(first[index]) for index in chosen))
        wanted = next(kept, None)
        for place, prompt in enumerate(self.draw().sample()):
            if place == wanted:
                yield prompt
                wanted = next(kept, None)


def _first_places(ids: Iterable[str]) -> Sequence[int]:
    """Where in the stream each distinct id comes first, in order; 16 bytes an id."""
    import numpy as np

    numbers = np.fromiter((int(prompt_id, 16) for prompt_id in ids), dtype=np.uint64)
    return np.sort(np.unique(numbers, return_index=True)[1])  # type: ignore[return-value]


class ReplayConfig(Config):
    """Answers from a file of earlier traces (the columns query, task, response, and optionally system, model, ...)."""

    path: Path = Field(description="JSONL, Parquet or CSV; a store's traces-*.parquet is such a file")


class ReplayTeacher:
    """Looks answers up by query and system message; knows nothing beyond its file."""

    def __init__(self, config: ReplayConfig) -> None:
        self.path = config.path

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        from orca_core.files import read_records
        from orca_core.tables import row_trace

        answers = {trace.prompt.id: trace for _, trace in read_records(self.path, row_trace)}
        for prompt in prompts:
            if prompt.id not in answers:
                raise UserError(
                    f"teacher 'replay': {self.path} has no answer for this prompt of task '{prompt.query.task}': "
                    f"{prompt.query.text[:80]!r}; sample from the same file, or ask another teacher"
                )
            yield answers[prompt.id]


class FinishedConfig(Config):
    """Keeps traces that ended by themselves and say something."""


class FinishedSelector:
    """Drops answers that were cut off or filtered, and empty ones."""

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for trace in traces:
            if trace.finish_reason != FINISHED:
                yield trace, f"finish_reason={trace.finish_reason}"
            else:
                yield trace, None if trace.text.strip() else "empty"


class CorrectConfig(Config):
    """Keeps traces that reach their query's gold target, and those of queries without one."""


class CorrectSelector:
    """Drops answers whose verdict is that they are wrong."""

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for trace in traces:
            yield trace, "wrong answer" if trace.correct is False else None


def _build_subset(config: SubsetConfig, context: Context) -> Sampler:
    return SubsetSampler(config, lambda: context.make("sampler", config.of), context.seed)


FILE = Component[FileConfig, Sampler]("file", FileConfig, lambda config, context: FileSampler(config))
SUBSET = Component[SubsetConfig, Sampler]("subset", SubsetConfig, _build_subset)
REPLAY = Component[ReplayConfig, Responder]("replay", ReplayConfig, lambda config, context: ReplayTeacher(config))
FINISHED_ONLY = Component[FinishedConfig, Selector](
    "finished", FinishedConfig, lambda config, context: FinishedSelector()
)

CORRECT_ONLY = Component[CorrectConfig, Selector]("correct", CorrectConfig, lambda config, context: CorrectSelector())


@hookimpl
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """File and subset."""
    return [FILE, SUBSET]


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """Replay."""
    return [REPLAY]


@hookimpl
def orca_verifiers() -> Iterable[Component[Any, Verifier]]:
    """Option letters, numbers, exact text."""
    return [ANSWER]


@hookimpl
def orca_selectors() -> Iterable[Component[Any, Selector]]:
    """Finished and correct."""
    return [FINISHED_ONLY, CORRECT_ONLY]


@hookimpl
def orca_executors() -> Iterable[Component[Any, Executor]]:
    """This process."""
    return [LOCAL]
