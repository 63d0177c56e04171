"""The components that the core brings along: data from files, subsets, replayed answers, and the plainest selectors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field, model_validator

from orca_core.component import Component, Config, Context, part
from orca_core.datafiles import FILE, REPLAY
from orca_core.errors import UserError
from orca_core.hookspecs import hookimpl
from orca_core.local import LOCAL
from orca_core.pairing import PAIRED
from orca_core.protocols import Evaluator, Executor, HasPools, Responder, Sampler, Selector, Verifier
from orca_core.records import FINISHED, Prompt, Trace
from orca_core.system_sweep import SYSTEM_SWEEP
from orca_core.verify import ANSWER


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


SUBSET = Component[SubsetConfig, Sampler]("subset", SubsetConfig, _build_subset)
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
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """Any other evaluator under several system messages."""
    return [SYSTEM_SWEEP]


@hookimpl
def orca_executors() -> Iterable[Component[Any, Executor]]:
    """This process."""
    return [LOCAL]
