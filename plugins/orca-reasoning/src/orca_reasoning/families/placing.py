"""Putting things in order from clues: what follows from them, one conclusion after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal


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


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A thing's place and why it follows; or, found by trying, a place where the thing cannot be."""

    thing: str
    place: int
    why: Literal["only place", "only thing", "impossible"]


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


def conclude(things: Sequence[str], clues: Sequence[Clue]) -> tuple[list[Conclusion], dict[str, int]] | None:
    """The conclusions in the order in which they follow, and the places; None unless exactly one order fits.

    The clues' own places are not among the conclusions.
    """
    if count_orders(things, clues) != 1:
        return None
    places = {clue.thing: clue.place for clue in clues if isinstance(clue, Fixed)}
    candidates = _start(things, clues)
    conclusions: list[Conclusion] = []
    while len(places) < len(things):
        _narrow(candidates, clues)
        conclusion = next(_forced(candidates, places), None) or _tried(candidates, clues)
        conclusions.append(conclusion)
        if conclusion.why == "impossible":
            candidates[conclusion.thing].discard(conclusion.place)
        else:
            places[conclusion.thing] = conclusion.place
            candidates[conclusion.thing] = {conclusion.place}
    return conclusions, places


def _start(things: Sequence[str], clues: Sequence[Clue]) -> Candidates:
    candidates = {thing: set(range(1, len(things) + 1)) for thing in things}
    for clue in clues:
        if isinstance(clue, Fixed):
            candidates[clue.thing] &= {clue.place}
    return candidates


def _narrow(candidates: Candidates, clues: Sequence[Clue]) -> None:
    """Take away what an order or a taken place excludes, until nothing changes. An impossible set ends up empty."""
    before = -1
    while before != (before := sum(map(len, candidates.values()))):
        for clue in clues:
            if isinstance(clue, Ordered) and candidates[clue.front] and candidates[clue.back]:
                first, last = min(candidates[clue.front]), max(candidates[clue.back])
                candidates[clue.back] -= set(range(1, first + 1))
                candidates[clue.front] -= set(range(last, len(candidates) + 1))
        for thing, places in candidates.items():
            if len(places) == 1:
                for other in candidates.keys() - {thing}:
                    candidates[other] -= places


def _forced(candidates: Candidates, placed: dict[str, int]) -> Iterator[Conclusion]:
    """What must be: a thing with one place left, or a place that one thing can take."""
    for thing, places in candidates.items():
        if thing not in placed and len(places) == 1:
            yield Conclusion(thing, min(places), "only place")
    for place in range(1, len(candidates) + 1):
        able = [thing for thing, places in candidates.items() if place in places]
        if len(able) == 1 and able[0] not in placed:
            yield Conclusion(able[0], place, "only thing")


def _tried(candidates: Candidates, clues: Sequence[Clue]) -> Conclusion:
    """The first place of the most constrained thing that leaves no order at all."""
    for thing in sorted(candidates, key=lambda t: len(candidates[t])):
        for place in sorted(candidates[thing]) if len(candidates[thing]) > 1 else ():
            if count_orders(list(candidates), [*clues, Fixed(thing, place)], most=1) == 0:
                return Conclusion(thing, place, "impossible")
    raise AssertionError("unreachable: one order fits, so every other place is impossible")
