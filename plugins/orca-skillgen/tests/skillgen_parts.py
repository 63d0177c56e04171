"""What the tests build: parts as the core builds them, with the tests' own teachers among those that are offered."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from orca_core import Component, Config, Context, Estimate, Prompt, Trace
from orca_core.parts import resolve
from orca_core.plugins import Plugins, load
from orca_core.records import DEAD

RULES = {"name": "skill-rules"}
BLANKET = {"name": "skill-rules", "routed": False}
PLACEBO = {"name": "skill-placebo"}


class ChatConfig(Config):
    """Asks a chat server, and nothing more."""

    url: str = Field(description="of the server")


class Chat:
    """A chat model behind HTTP, the plainest that there can be."""

    def __init__(self, config: ChatConfig, context: Context) -> None:
        self.url = config.url

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            body = json.dumps({"model": "writer", "messages": prompt.messages}).encode()
            request = urllib.request.Request(f"{self.url}/chat/completions", body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request) as reply:
                    said = json.load(reply)["choices"][0]["message"]["content"]
            except OSError as error:
                yield Trace(prompt, "", "writer", DEAD, error=str(error))
            else:
                yield Trace(prompt, said, "writer")


class KeeperConfig(Config):
    """A hasty adder that keeps its answers and tells its cost and what it works with."""


class Keeper:
    """Has all the protocols that a teacher can have."""

    keeps_answers = True

    def __init__(self, config: KeeperConfig, context: Context) -> None:
        self.adder = context.make("teacher", {"name": "hasty-adder"})
        self.answered = 0

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for trace in self.adder.respond(prompts):
            self.answered += 1
            yield trace

    def pending(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        yield from prompts

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        n = sum(1 for _ in prompts)
        return Estimate(n, 10 * n, 5 * n, 0.25 * n)

    def provenance(self) -> dict[str, str]:
        return {"prices": "of today"}


@cache
def plugins() -> Plugins:
    """All that is installed, and the tests' own teachers."""
    return offering(load(), Component("chat", ChatConfig, Chat), Component("keeper", KeeperConfig, Keeper))


def offering(known: Plugins, *teachers: Component[Any, Any]) -> Plugins:
    """The same with these teachers, in the place of any of their names."""
    offer = known.offers["teacher"]["skilled"]
    added = {component.name: replace(offer, component=component) for component in teachers}
    return replace(known, offers={**known.offers, "teacher": {**known.offers["teacher"], **added}})


def build(kind: str, node: Mapping[str, Any], cache: Path, seed: int = 0, known: Plugins | None = None) -> Any:
    """A part of this node, with the core's own context."""
    return resolve(known or plugins(), kind, node, kind).build(Context(seed, cache, _no_parts))


def _no_parts(kind: str, node: Any) -> Any:
    raise AssertionError("Part.build gives a context that can")


def skilled(
    cache: Path, writer: Mapping[str, Any] = RULES, *, seed: int = 0, known: Plugins | None = None, **settings: Any
) -> Any:
    """The hasty adder with a skill."""
    node = {"name": "skilled", "of": {"name": "hasty-adder"}, "train": {"name": "column-sums"}, "writer": writer}
    return build("teacher", node | settings, cache, seed, known)


def verification(teacher: Any) -> dict[str, Any]:
    return json.loads((teacher.slot.path / "verification.json").read_text())  # type: ignore[no-any-return]


def questions(cache: Path, n: int = 200, seed: int = 0) -> list[Any]:
    """Held-out sums."""
    return list(build("sampler", {"name": "column-sums", "n": n, "held_out": True}, cache, seed).sample())
