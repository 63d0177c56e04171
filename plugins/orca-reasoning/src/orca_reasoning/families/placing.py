"""Putting things in order from clues: which orders fit, and what follows one thing after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fixed:
    """The thing stands at the place; places count from 1."""

    thing: str
    place: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """One thing stands somewhere before the other."""

    front: str
    back: str


Clue = Fixed | Ordered


Candidates = dict[str, set[int]]
"""The places that each thing can still take."""


def count_orders(things: Sequence[str], clues: Sequence[Clue], most: int = 2) -> int:
    """How many orders fit the clues; the count stops at ``most``."""
    places = {thing: {c.place for c in clues if isinstance(c, Fixed) and c.thing == thing} for thing in things}
    fronts = {thing: {c.front for c in clues if isinstance(c, Ordered) and c.back == thing} for thing in things}

    def extend(placed: frozenset[str]) -> int:
        place, found = len(placed) + 1, 0
        if place > len(things):
            return 1
        for thing in things:
            if thing not in placed and fronts[thing] <= placed and places[thing] <= {place}:
                found += extend(placed | {thing})
                if found >= most:
                    break
        return found

    return extend(frozenset())


def conclude(things: Sequence[str], clues: Sequence[Clue]) -> list[Fixed] | None:
    """Where everything stands, in the order in which it follows; what the clues fix comes first. None unless one order fits.

    That a thing has one place left, once orders and taken places have narrowed all the others, is reason enough each time:
    were two free neighbours not compared, they could change places, and there would be two orders.
    """
    if count_orders(things, clues) != 1:
        return None
    placed = {clue.thing: clue for clue in clues if isinstance(clue, Fixed)}
    candidates = _start(things, clues)
    while len(placed) < len(things):
        _narrow(candidates, clues)
        thing = next(t for t in things if t not in placed and len(candidates[t]) == 1)
        placed[thing] = Fixed(thing, *candidates[thing])
    return list(placed.values())


def _start(things: Sequence[str], clues: Sequence[Clue]) -> Candidates:
    candidates = {thing: set(range(1, len(things) + 1)) for thing in things}
    for clue in clues:
        if isinstance(clue, Fixed):
            candidates[clue.thing] &= {clue.place}
    return candidates


def _narrow(candidates: Candidates, clues: Sequence[Clue]) -> None:
    """Take away what an order or a taken place excludes, until nothing changes."""
    left = 0
    while left != (left := sum(map(len, candidates.values()))):
        for clue in clues:
            if isinstance(clue, Ordered):
                first, last = min(candidates[clue.front]), max(candidates[clue.back])
                candidates[clue.back] -= set(range(1, first + 1))
                candidates[clue.front] -= set(range(last, len(candidates) + 1))
        for thing, places in candidates.items():
            if len(places) == 1:
                for other in candidates.keys() - {thing}:
                    candidates[other] -= places
