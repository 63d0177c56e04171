"""What a plugin offers: a named component with its config model and its builder."""

from __future__ import annotations

import hashlib
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


def part(kind: str, **kwargs: Any) -> Any:
    """A field that holds the config node of another component of that kind, to be built with ``context.make(kind, node)``.

    The core checks the node against that component's own config and leaves its unkeyed fields out of the cache key.
    """
    return Field(..., json_schema_extra={"component": kind}, **kwargs)


def content_of_file(path: Path) -> str:
    """What of a file goes into a cache key: its content, so that a changed file is a new key and a moved one is not."""
    digest = hashlib.blake2b(digest_size=16)
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file():
                digest.update(f"{inner.relative_to(path)} {content_of_file(inner)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


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
    share: float = 1.0
    """This process's part of whatever is limited (requests and tokens per minute, money), where several share the work."""


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
