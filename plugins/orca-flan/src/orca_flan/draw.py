"""Which queries are drawn: five million of them in seconds, from the tasks' sizes alone.

Algorithm 1 of the paper (section 3.1.3): until there are n, a task is chosen uniformly among those that still have queries,
and an unused query of it uniformly; a task without any left is out. A cap makes a task smaller; everything is drawn if n says
nothing. The draw is a function of the seed and the sizes: the same on every machine, for whatever other collections are drawn
beside, in whatever order tasks are listed. For that, random numbers are the raw output of a bit generator, which NumPy promises
never to change, in streams of their own for each collection and task.

Draws are nested: with a larger n (or cap), or a smaller one, what both draw of a task is the same, so that a run can grow
without anything being asked again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orca_core.errors import UserError, did_you_mean
from orca_flan.inventory import LARGEST, Inventory, Task

BLOCK: Final = 1 << 12
"""Choices among tasks that are made at once; another value is another draw, by the same law."""
AHEAD: Final = 1.05
"""Random numbers that are looked at for those that are needed on average; of no effect on the draw."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is wanted of a collection."""

    n: int | None = None
    """Queries; None: all."""
    cap: int | None = None
    """Of each task at most."""


@dataclass(frozen=True)
class Draw:
    """Chosen queries in their order, which is uniformly random: a prefix is a random subset."""

    inventory: Inventory
    quotas: Mapping[str, Quota]
    task: NDArray[np.int32]
    """(n,) places in ``inventory.tasks``."""
    index: NDArray[np.int32]
    """(n,) which query of the task, from 0; never the same twice."""

    def __len__(self) -> int:
        return len(self.task)

    @cached_property
    def taken(self) -> NDArray[np.int64]:
        """How many of each task."""
        return np.bincount(self.task, minlength=len(self.inventory.tasks))

    @cached_property
    def pools(self) -> dict[str, dict[str, int]]:
        """By collection: ``tasks``, ``pool`` (their queries), ``capped`` (within the cap), ``taken``."""
        taken = dict.fromkeys(self.quotas, 0)
        for task, count in zip(self.inventory.tasks, self.taken, strict=True):
            taken[task.collection] += int(count)
        found = {name: self.inventory.pool(name, quota.cap) for name, quota in self.quotas.items()}
        return {
            name: {"tasks": pool.tasks, "pool": pool.queries, "capped": pool.capped, "taken": taken[name]}
            for name, pool in found.items()
        }

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that name the draw: which query of which task, in which order."""
        digest = hashlib.blake2b(
            _bytes([[task.collection, task.name] for task in self.inventory.tasks]), digest_size=16
        )
        for column in (self.task, self.index):
            digest.update(column.astype("<i4").tobytes())
        return digest.hexdigest()


def draw(inventory: Inventory, quotas: Mapping[str, Quota], seed: int) -> Draw:
    """Draw from every collection of the inventory by its quota, all mixed.

    Takes some 40 bytes of memory and half a microsecond for each query that is drawn, however many there are.

    Raises:
        UserError: the quotas are of other collections than the inventory.
    """
    for name in sorted(set(quotas) ^ set(inventory.collections)):
        raise UserError(f"collection '{name}' has no quota or no tasks{did_you_mean(name, inventory.collections)}")
    counts = np.concatenate([_counts(inventory, name, quotas[name], seed) for name in inventory.collections])
    picked = [_pick(task, count, seed) for task, count in zip(inventory.tasks, counts.tolist(), strict=True)]
    order = np.argsort(np.concatenate([keys for _, keys in picked]), kind="stable")
    index = np.concatenate([index for index, _ in picked])
    task = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return Draw(inventory, dict(quotas), task[order], index[order])


def _counts(inventory: Inventory, collection: str, quota: Quota, seed: int) -> NDArray[np.int64]:
    """How many queries Algorithm 1 draws of each task of a collection."""
    sizes = [task.size for task in inventory.tasks if task.collection == collection]
    most = np.minimum(np.array(sizes, dtype=np.int64), LARGEST if quota.cap is None else quota.cap)
    if quota.n is None or quota.n >= most.sum():
        return most
    left, wanted, numbers = most.copy(), quota.n, _stream(seed, collection)
    while wanted:
        live = np.flatnonzero(left)
        chosen = live[_below(len(live), numbers.random_raw(BLOCK))]
        # Whoever chooses among more tasks than are live, and again if the task is not, chooses uniformly among the live.
        drawn = chosen[_rank(chosen) < left[chosen]][:wanted]
        left -= np.bincount(drawn, minlength=len(left))
        wanted -= len(drawn)
    return most - left


def _pick(task: Task, count: int, seed: int) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """The first ``count`` of a task's queries in a random order of them, and for each a random place among all that is drawn.

    The order begins with half of the queries as random numbers name them, so that a few of many are found without looking at
    all; the rest follows shuffled.
    """
    half = task.size // 2
    index = _named(task.size, min(count, half), lambda: _stream(seed, task.collection, task.name, "named"))
    if count > half:
        unused = np.ones(task.size, dtype=np.bool_)
        unused[index] = False
        rest = np.flatnonzero(unused)
        keys = _stream(seed, task.collection, task.name, "rest").random_raw(len(rest))
        index = np.concatenate([index, rest[np.argsort(keys, kind="stable")[: count - half]]])
    return index.astype(np.int32), _stream(seed, task.collection, task.name, "place").random_raw(count)


def _named(size: int, count: int, stream: Callable[[], np.random.PCG64]) -> NDArray[np.int64]:
    """The first ``count`` different numbers below ``size`` in a stream, in their order; at most half of all."""
    if not count:
        return np.empty(0, dtype=np.int64)
    ahead = -math.log1p(-count / size) * 2 ** _bits(size) * AHEAD
    while True:
        numbers = _below(size, stream().random_raw(math.ceil(ahead)))
        first = np.sort(np.unique(numbers, return_index=True)[1])
        if len(first) >= count:
            return numbers[first[:count]]
        ahead *= 2


def _below(k: int, raw: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The numbers below k, each as likely as the others, that the highest bits of random ones are; half of all or more."""
    high = (raw >> np.uint64(64 - _bits(k))).astype(np.int64)
    return high[high < k]


def _bits(k: int) -> int:
    return max(1, (k - 1).bit_length())


def _rank(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many equal ones precede each."""
    order = np.argsort(values, kind="stable")
    counts = np.bincount(values)
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def _stream(seed: int, *names: str) -> np.random.PCG64:
    return np.random.PCG64(
        int.from_bytes(hashlib.blake2b(_bytes(["flan", seed, *names]), digest_size=16).digest(), "big")
    )


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
