"""What a worker of an executor does, on whatever machine: build the one who answers, and fill shards or answer a key range.

A task is plain data and a function of this module, so that it travels by pickle and runs wherever orca is installed.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from orca_core import plugins as plugin_loading
from orca_core.asking import Asking, Shard
from orca_core.component import Context
from orca_core.errors import OutOfBudgetError, UserError
from orca_core.parts import Part, resolve
from orca_core.protocols import Responder
from orca_core.records import DEAD, Prompt, Trace
from orca_core.responses.parts import Balance
from orca_core.shipping import SHIP_S, Depot, Home, every, homes
from orca_core.tables import read_prompts
from orca_core.verify import Judge


def no_parts(kind: str, node: Any) -> Any:
    """The ``make`` of a context that :meth:`Part.build` has not completed."""
    raise NotImplementedError("Part.build gives every component a context that can make others")


def build(part: Part, checkpoint: Path | None, context: Context) -> Responder:
    """The one who answers: a teacher, or a student with its checkpoint."""
    built = part.build(context)
    return built if checkpoint is None else built.load(checkpoint)  # type: ignore[no-any-return]


def judge(part: Part, context: Context) -> Judge:
    """Gives verdicts with the verifiers that the queries name."""
    return Judge(lambda name: resolve(part.plugins, "verifier", {"name": name}, "verifier").build(context))


@dataclass(frozen=True)
class Recipe:
    """Who answers, as plain data that travels to a worker and is built there again."""

    kind: str
    node: Mapping[str, Any]
    checkpoint: Path | None
    seed: int
    cache: Path
    share: float
    directory: Path = field(default_factory=Path.cwd)
    """What relative paths of the config start from."""

    def part(self) -> Part:
        """The part, of the plugins that are installed here.

        Raises:
            UserError: this machine lacks the project's directory, or a plugin.
        """
        try:
            os.chdir(self.directory)
        except OSError as error:
            raise UserError(
                f"worker on {socket.gethostname()}: {self.directory}: {error.strerror}; run where all machines see the directory"
            ) from None
        return resolve(plugin_loading.load(), self.kind, self.node, self.kind)

    def context(self, cache: Path | None = None) -> Context:
        """What the part is built with."""
        return Context(self.seed, cache or self.cache, no_parts, share=self.share)


@dataclass(frozen=True)
class Files:
    """Shards for one worker."""

    recipe: Recipe
    shards: Sequence[Shard]


def fill(task: Files) -> None:
    """A worker's task: fill each shard with traces, but those that are there."""
    recipe, part = task.recipe, task.recipe.part()
    context = recipe.context()
    responder = build(part, recipe.checkpoint, context)
    Asking(responder, part.component.name, context, verdict=judge(part, context)).fill(task.shards, 0)


@dataclass(frozen=True)
class Range:
    """A key range for one worker."""

    recipe: Recipe
    depot: Depot
    index: int
    name: str
    """Of the range, the same in every round that divides by as many."""
    opening: Sequence[Balance]


def answer(task: Range) -> list[Trace]:
    """A worker's task: have a range's prompts answered into its log, and ship that; returns the dead letters.

    A worker that has spent its share of a budget ends without an error: it is the core that says so, once all have.
    """
    part = task.recipe.part()
    stage = homes(task.depot.path.parent)
    home = Home(stage / task.depot.path.name / task.name)
    earlier = [Home(path) for path in stage.glob(f"*/{task.name}") if path != home.path]
    dead: list[Trace] = []
    try:
        with home.locked():
            home.link(task.recipe.cache)
            home.prepare(task.opening, task.depot.shipped(task.index), earlier)
            with every(SHIP_S, lambda: home.ship(task.depot.parts, f"{task.index:05d}")):
                responder = build(part, None, task.recipe.context(home.path))
                with closing(cast(Any, responder.respond(_until_stopped(task)))) as traces:
                    dead.extend(trace for trace in traces if trace.finish_reason == DEAD)
    except OutOfBudgetError:
        pass
    except Exception:  # and not the interrupt of this worker alone, after which it is sent here again
        task.depot.stop()
        raise
    shutil.rmtree(home.path)
    return dead


def _until_stopped(task: Range) -> Iterator[Prompt]:
    looked = time.monotonic()
    for prompt in read_prompts(sorted(task.depot.prompts(task.index).glob("*.parquet"))):
        if time.monotonic() - looked > SHIP_S / 4:
            if task.depot.stopped:
                return
            looked = time.monotonic()
        yield prompt
