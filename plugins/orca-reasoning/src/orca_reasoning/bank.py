"""Draws distinct items of a family, training and held-out ones apart by construction."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from random import Random
from typing import Annotated

from pydantic import AfterValidator

from orca_core.errors import UserError, did_you_mean
from orca_core.records import Query, content_id
from orca_reasoning.families import FAMILIES, Family, Item

HELD_OUT_ONE_IN = 8
_TRIES = 2000
"""Draws in a row that bring nothing new, after which a family counts as exhausted."""

Sizes = tuple[int, int]


def _known(name: str) -> str:
    if name not in FAMILIES:
        raise ValueError(f"no family '{name}'{did_you_mean(name, FAMILIES)}")
    return name


FamilyName = Annotated[str, AfterValidator(_known)]


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names):
        raise ValueError("name at least one family, and each at most once")
    return names


FamilyNames = Annotated[tuple[FamilyName, ...], AfterValidator(_distinct)]


def _within_limits(sizes: dict[str, Sizes]) -> dict[str, Sizes]:
    for name, (low, high) in sizes.items():
        family = FAMILIES[name]
        if not family.limits[0] <= low <= high <= family.limits[1]:
            limits = f"{family.limits[0]} <= low <= high <= {family.limits[1]}"
            raise ValueError(f"{name} [{low}, {high}]: sizes ({family.dial}) are a pair with {limits}")
    return sizes


SizesByFamily = Annotated[dict[FamilyName, Sizes], AfterValidator(_within_limits)]


@cache
def _bbh() -> frozenset[str]:
    """Hashes of the BIG-Bench Hard questions of all families, so that no training item is one of them by chance."""
    return frozenset(files("orca_reasoning").joinpath("bbh_hashes.txt").read_text(encoding="ascii").split())


def is_held_out(text: str) -> bool:
    """Whether a question is kept for evaluation: a fixed eighth of all texts, told by their hash, and BIG-Bench Hard's own."""
    digest = content_id(" ".join(text.split()))
    return int(digest, 16) % HELD_OUT_ONE_IN == 0 or digest[:8] in _bbh()


def draw(family: Family, n: int, sizes: Sizes, rng: Random, *, held_out: bool) -> Iterator[tuple[Item, int]]:
    """``n`` distinct items with their sizes, sizes uniform over the range, all held out or none of them.

    UserError if the family has fewer of such items than asked for.
    """
    seen: set[str] = set()
    barren = 0
    while len(seen) < n:
        size = rng.randint(*sizes)
        item = family.generate(rng, size)
        if is_held_out(item.text) != held_out or item.text in seen:
            barren += 1
            if barren >= _TRIES:
                raise UserError(_exhausted(family, n, sizes, len(seen), held_out))
            continue
        barren = 0
        seen.add(item.text)
        yield item, size


def _exhausted(family: Family, n: int, sizes: Sizes, found: int, held_out: bool) -> str:
    kind = "held-out" if held_out else "training"
    return (
        f"{family.name}: found only {found} distinct {kind} items of {sizes[0]} to {sizes[1]} {family.dial}, {n} were asked for. "
        f"Ask for fewer, or raise its sizes (up to {family.limits[1]})"
    )


def as_query(family: Family, item: Item, size: int) -> Query:
    """The item as the core's record."""
    choices = family.choices(item.text)
    return Query(item.text, family.name, "reasoning", item.target, choices, {"size": size, "verifier": "reasoning"})
