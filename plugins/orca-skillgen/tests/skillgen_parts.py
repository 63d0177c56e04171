"""What the tests build: parts as the core builds them, and a small teacher that keeps its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from orca_core import Context
from orca_core.config import resolve
from orca_core.plugins import Plugins, load

RULES = {"name": "skill-rules"}
BLANKET = {"name": "skill-rules", "routed": False}
PLACEBO = {"name": "skill-placebo"}


@cache
def plugins() -> Plugins:
    return load()


def build(kind: str, node: Mapping[str, Any], cache: Path, seed: int = 0) -> Any:
    """A part of this node, with the core's own context."""
    return resolve(plugins(), kind, node, kind).build(Context(seed, cache, _no_parts))


def _no_parts(kind: str, node: Any) -> Any:
    raise AssertionError("Part.build gives a context that can")


def skilled(cache: Path, writer: Mapping[str, Any] = RULES, *, seed: int = 0, **settings: Any) -> Any:
    """The hasty adder with a skill."""
    node = {"name": "skilled", "of": {"name": "hasty-adder"}, "train": {"name": "column-sums"}, "writer": writer}
    return build("teacher", node | settings, cache, seed)


def verification(teacher: Any) -> dict[str, Any]:
    return json.loads((teacher.slot.path / "verification.json").read_text())  # type: ignore[no-any-return]


def questions(cache: Path, n: int = 200, seed: int = 0) -> list[Any]:
    """Held-out sums."""
    return list(build("sampler", {"name": "column-sums", "n": n, "held_out": True}, cache, seed).sample())


def scripted(*replies: str) -> Callable[[Any], str]:
    """Answers of a chat server: one recorded reply after the other."""
    left = list(replies)
    return lambda messages: left.pop(0)
