"""What a plugin offers: a named component with its config model and its builder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from orca_core.errors import DataError, did_you_mean


class Config(BaseModel):
    """Base of every component's config: unknown keys are errors, values are final.

    The first line of the docstring is what ``orca plugins`` shows; fields carry ``description=`` for ``--help`` and docs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def unkeyed(default: Any = ..., **kwargs: Any) -> Any:
    """A field that changes how fast a result comes, not the result (``workers``, ``api_base``): left out of cache keys."""
    return Field(default, json_schema_extra={"unkeyed": True}, **kwargs)


def scoring(default: Any = ..., **kwargs: Any) -> Any:
    """A field of an evaluator that changes what answers are worth, not what is asked (``mode``, a judge's prompt).

    It is in the key of the scores, but not in that of the questions: with another one, nobody has to answer anew.
    """
    return Field(default, json_schema_extra={"scoring": True}, **kwargs)


def part(kind: str, default: Any = ..., *, scoring: bool = False, **kwargs: Any) -> Any:
    """A field that holds the config node of another component of that kind, to be built with ``context.make(kind, node)``.

    The core checks the node against that component's own config and leaves its unkeyed fields out of the cache key. It may
    hold several nodes by name, or null, where the component can do with that; :func:`part_nodes` tells which.

    Args:
        scoring: as of :func:`scoring`.
    """
    return Field(default, json_schema_extra={"component": kind, "scoring": scoring}, **kwargs)


def part_nodes(value: Any) -> dict[str, Any]:
    """The config nodes in a field of :func:`part`: one, by the name ``""``; several, each by its name; none of null."""
    if value is None:
        return {}
    several = isinstance(value, Mapping) and value and all(isinstance(inner, Mapping) for inner in value.values())
    return dict(value) if several else {"": value}


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


def extra(info: Any) -> Mapping[str, Any]:
    """What :func:`unkeyed` and :func:`part` say of a pydantic field."""
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def canonical(value: Any, where: str) -> Any:
    """A value as plain JSON data for a key; a path by the content behind it."""
    if isinstance(value, Path):
        try:
            return {"content": content_of_file(value)}
        except OSError as error:
            near = did_you_mean(value.name, [p.name for p in value.parent.iterdir()]) if value.parent.is_dir() else ""
            what = f"{where}: cannot be read: {error.strerror}{near if 'mean' in near else ''}"
            raise DataError(value, what) from None
    if isinstance(value, Config):
        fields = type(value).model_fields.items()
        return {
            name: canonical(getattr(value, name), f"{where}.{name}")
            for name, info in fields
            if not extra(info).get("unkeyed")
        }
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): canonical(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(inner, where) for inner in value]
    return value


class ProgressFn(Protocol):
    """Reports how far a long piece of work is, with live figures (``loss=0.3, tokens_per_s=9000``)."""

    def __call__(self, done: float, total: float | None = None, **figures: float) -> None: ...


def no_progress(done: float, total: float | None = None, **figures: float) -> None:
    """Reports to nobody."""


def no_identity() -> Mapping[str, Any]:
    """Of a context that belongs to no component yet."""
    raise NotImplementedError("Part.build gives every component a context that knows what it is built from")


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
    identity: Callable[[], Mapping[str, Any]] = no_identity
    """What decides the component's results but for the seed: its name, version and keyed config, its parts' included.

    What it works out once and keeps in ``cache`` is named by :func:`orca_core.store.key_of` this.
    """


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
