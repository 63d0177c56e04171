"""The components that the core brings along: data from files, subsets, replayed answers, and the plainest selectors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from orca_core.component import Component, Config, Context, part
from orca_core.errors import DataError, UserError
from orca_core.hookspecs import hookimpl
from orca_core.local import LOCAL
from orca_core.pairing import PAIRED
from orca_core.protocols import Executor, HasPools, Responder, Sampler, Selector, Verifier
from orca_core.records import FINISHED, Prompt, Trace
from orca_core.verify import ANSWER


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

        self._taken = 0
        self._skipped: list[DataError] = []

    def sample(self) -> Iterator[Prompt]:
        from orca_core.formats import read_prompts

        self._taken, self._skipped = 0, []
        bad = self._skipped.append if self.config.bad_rows == "skip" else stop
        for prompt in islice(read_prompts(self.config.path, self.config.format, bad), self.config.limit):
            self._taken += 1
            yield prompt

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        return {self.config.path.name: {"taken": self._taken, "skipped": len(self._skipped)}}


class SubsetConfig(Config):
    """A random subset of what another sampler draws, with the same ids (the paper's FLAN-1M of FLAN-5M)."""

    of: Any = part("sampler", description="the sampler to draw from")
    fraction: float | None = Field(None, gt=0, le=1, description="share of the prompts to keep; or else give n")
    n: int | None = Field(None, ge=1, description="exact number of prompts to keep; or else give fraction")

    @model_validator(mode="after")
    def _one_size(self) -> SubsetConfig:
        if (self.fraction is None) == (self.n is None):
            raise ValueError("give either fraction or n, and set the other to null, e.g. fraction=0.2 n=null")
        return self


class SubsetSampler:
    """Keeps n of the distinct prompts, or a fraction of them, chosen uniformly without replacement, in their order.

    Draws twice, first to number the prompts and then to keep the chosen ones, so that millions need not fit into memory.
    """

    def __init__(self, config: SubsetConfig, draw: Callable[[], Sampler], seed: int) -> None:
        self.config, self.draw, self.seed = config, draw, seed
        self._drawn: Sampler | None = None

    def sample(self) -> Iterator[Prompt]:
        first = _first_places(prompt.id for prompt in self.draw().sample())
        chosen = random.Random(f"subset {self.seed}").sample(range(len(first)), self._size(len(first)))
        kept = iter(sorted(int(first[index]) for index in chosen))
        wanted = next(kept, None)
        self._drawn = self.draw()
        for place, prompt in enumerate(self._drawn.sample()):
            if place == wanted:
                yield prompt
                wanted = next(kept, None)

    def _size(self, there: int) -> int:
        n = round((self.config.fraction or 0) * there) if self.config.n is None else self.config.n
        if n > there:
            raise UserError(f"subset: n={n:,}, but only {there:,} prompts are drawn; lower n, or have more drawn")
        return n

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        """What the other sampler drew from."""
        return self._drawn.pools() if isinstance(self._drawn, HasPools) else {}


def _first_places(ids: Iterable[str]) -> Sequence[int]:
    """Where in the stream each distinct id comes first, in order; 16 bytes an id."""
    import numpy as np

    numbers = np.fromiter((int(prompt_id, 16) for prompt_id in ids), dtype=np.uint64)
    return np.sort(np.unique(numbers, return_index=True)[1])  # type: ignore[return-value]


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
                    f"{prompt.query.text[:80]!r}; sample from the same file, or ask another teacher"
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
        from orca_core.formats import read_traces

        bad = ignore if self.config.bad_rows == "skip" else stop
        self._ahead = read_traces(self.config.path, self.config.format, bad)
        self._passed.clear()
        return self._find(prompt_id)


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
    """File, subset and paired."""
    return [FILE, SUBSET, PAIRED]


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
