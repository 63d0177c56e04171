"""Bounds on how much of what is trained on comes from one collection, task, system message or model."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from math import floor
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from orca_core import Component, Config, Selector, Trace, UserError
from orca_core.errors import did_you_mean
from orca_core.records import content_id

GROUPS: Final[dict[str, Callable[[Trace], str]]] = {
    "collection": lambda trace: trace.prompt.query.collection,
    "task": lambda trace: trace.prompt.query.task,
    "system": lambda trace: trace.prompt.system,
    "model": lambda trace: trace.model,
}
Share = Annotated[float, Field(gt=0, le=1)]


class BalanceConfig(Config):
    """Bounds how many traces come from one collection, task, system message or model; the rest is left to chance."""

    by: Literal["collection", "task", "system", "model"] = Field(description="what makes a group")
    at_most: int | None = Field(None, ge=1, description="most traces of any group; null: no bound")
    shares: dict[str, Share] = Field(
        default_factory=dict,
        description="share of groups in what is kept, of which as much is kept as they allow; groups that are not named "
        "have what is left to 1, in proportion to their sizes",
    )

    @model_validator(mode="after")
    def _bounds_something(self) -> BalanceConfig:
        if self.at_most is None and not self.shares:
            raise ValueError("give at_most, or shares, or both")
        if (total := sum(map(_exact, self.shares.values()))) > 1:
            raise ValueError(f"shares add up to {float(total):g}, which is more than 1")
        return self


class BalanceSelector:
    """Keeps as many of each group as :func:`quotas` allows, chosen by the hash of seed and prompt alone.

    Looks through the traces twice: to count and hash them (8 bytes each), and to keep those with the smallest hashes.
    """

    def __init__(self, config: BalanceConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self.group = GROUPS[config.by]

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        hashes: dict[str, array[int]] = {}
        for trace in traces:
            hashes.setdefault(self.group(trace), array("Q")).append(self._hash(trace))
        if not hashes:
            return
        sizes = {group: len(values) for group, values in hashes.items()}
        self._check(sizes)
        wanted = quotas(sizes, self.config.at_most, self.config.shares)
        draws = {group: Smallest(hashes.pop(group), n) for group, n in wanted.items()}
        for trace in traces:
            group = self.group(trace)
            if wanted[group] == 0:
                yield trace, f"no share for this {self.config.by}"
            else:
                yield trace, None if draws[group].take(self._hash(trace)) else f"enough of this {self.config.by}"

    def _hash(self, trace: Trace) -> int:
        return int(content_id("balance", str(self.seed), trace.prompt.id), 16)

    def _check(self, sizes: Mapping[str, int]) -> None:
        for group in self.config.shares:
            if group not in sizes:
                raise UserError(
                    f"selector 'balance': shares: no trace has the {self.config.by} '{group}'{did_you_mean(group, sizes)}"
                )


class Smallest:
    """The ``n`` smallest of some values, which are then shown one after the other; of equal ones the first are taken."""

    def __init__(self, values: array[int], n: int) -> None:
        import numpy as np

        self.limit, self.ties = -1, 0
        if n:
            every = np.frombuffer(values, dtype=np.uint64)
            self.limit = int(np.partition(every, n - 1)[n - 1])
            self.ties = n - int((every < self.limit).sum())

    def take(self, value: int) -> bool:
        """Whether the next value is one of them."""
        if value == self.limit:
            self.ties -= 1
            return self.ties >= 0
        return value < self.limit


def quotas(sizes: Mapping[str, int], at_most: int | None, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of each group make the largest whole with these shares.

    Args:
        sizes: what there is of each group.
        at_most: bound on any of them.
        shares: exact shares of some groups, at most 1 in all. The others have the rest in proportion to what there is of them.

    Returns:
        A number for every group; those that are named have their share of the sum, rounded by largest remainders.
    """
    there = {group: size if at_most is None else min(size, at_most) for group, size in sizes.items()}
    named = {group: _exact(share) for group, share in shares.items()}
    others = {group: size for group, size in there.items() if group not in named}
    rest, pool = 1 - sum(named.values()), sum(others.values())
    exact = named | {group: rest * Fraction(size, pool) for group, size in others.items()}
    whole = sum(exact.values())  # 1, or less where nobody is there to have the rest
    exact = {group: share / whole for group, share in exact.items() if share}
    return dict.fromkeys(there, 0) | apportion(
        floor(min(there[group] / share for group, share in exact.items())), exact
    )


def apportion(total: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Whole numbers by largest remainders: each is its share of the total rounded down or up, and they add up to it."""
    exact = {group: share * total for group, share in shares.items()}
    whole = {group: floor(value) for group, value in exact.items()}
    missing = total - sum(whole.values())
    for group in sorted(exact, key=lambda group: (whole[group] - exact[group], group))[:missing]:
        whole[group] += 1
    return whole


def _exact(share: float) -> Fraction:
    """A share as it was written: 0.1 is one tenth."""
    return Fraction(str(share))


BALANCE: Final = Component[BalanceConfig, Selector](
    "balance", BalanceConfig, lambda config, context: BalanceSelector(config, context.seed)
)
