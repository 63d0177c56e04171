"""What a plugin offers: a named component with its config model and its builder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Config(BaseModel):
    """Base of every component's config: unknown keys are errors, values are final.

    The first line of the docstring is what ``orca plugins`` shows; fields carry ``description=`` for ``--help`` and docs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def unkeyed(default: Any = ..., **kwargs: Any) -> Any:
    """A field that changes how fast a result comes, not the result (``workers``, ``api_base``): left out of cache keys."""
    return Field(default, json_schema_extra={"unkeyed": True}, **kwargs)


class ProgressFn(Protocol):
    """Reports how far a long piece of work is, with live figures (``loss=0.3, tokens_per_s=9000``)."""

    def __call__(self, done: float, total: float | None = None, **figures: float) -> None: ...


def no_progress(done: float, total: float | None = None, **figures: float) -> None:
    """Reports to nobody."""


@dataclass(frozen=True)
class Context:
    """What the core gives to a component when it builds it."""

    seed: int
    """The run's seed. Components derive their random streams from it and from nothing else."""
    cache: Path
    """A directory that outlives runs and is shared by them; name files by content."""
    make: Callable[[str, Any], Any]
    """``make(kind, node)`` builds another component (a judge's teacher, a sampler to draw from) from its config node."""
    progress: ProgressFn = no_progress


C = TypeVar("C", bound=Config)
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Component(Generic[C, T_co]):
    """One choice of a config group: ``teacher=NAME`` selects it. A module constant, so that mypy checks config against builder.

    ``version`` is part of every cache key: raise it when the same config gives another result.
    """

    name: str
    config: type[C]
    build: Callable[[C, Context], T_co]
    version: int = 1

    @property
    def summary(self) -> str:
        """The first line of the config's docstring."""
        return (self.config.__doc__ or "").strip().split("\n")[0]
