"""Logical deduction: three, five or seven things in a row, and which one stands at a place. The dial is the number of
statements; BIG-Bench Hard's have one fewer than things.

Explained by numbering the places from one end: first every statement in short, then the places as they follow. The
reasoning itself is in :mod:`orca_reasoning.families.placing`, the sentences of the stories in ``_THEMES``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from orca_reasoning.families.base import Family, Item, Solution, listing, option_block, option_labels, options
from orca_reasoning.families.placing import Clue, Fixed, Ordered, conclude, count_orders
from orca_reasoning.lexicon import BIRDS, COLOURS, GOLFERS, SOLD_FRUITS, VEHICLES

_HEAD = (
    "The following paragraphs each describe a set of {} objects arranged in a fixed order. "
    "The statements are logically consistent within each paragraph. "
)
_NUMBERS = {3: "three", 5: "five", 7: "seven"}
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


@dataclass(frozen=True, slots=True)
class _Theme:
    """The sentences of one story. Place 1 is at the front: leftmost, newest, most expensive, first."""

    opening: str
    things: tuple[str, ...]
    article: str
    """How a thing is introduced: ``a``, or nothing."""
    the: str
    """What stands before a thing in a sentence: ``the``, or nothing."""
    verb: str
    before: str
    after: str
    front: str
    from_front: str
    back: str
    from_back: str

    def phrases(self, n: int) -> dict[str, int]:
        """Every name of a place, ``the second from the left``, and the place."""
        front = {self.from_front.format(_ORDINALS[i]): i + 1 for i in range(1, n)}
        back = {self.from_back.format(_ORDINALS[i]): n - i for i in range(1, n)}
        return {self.front: 1, self.back: n} | front | back

    def phrase(self, place: int, n: int) -> str:
        """The name of a place from the nearer end; of the middle, from the front."""
        if place <= (n + 1) // 2:
            return self.front if place == 1 else self.from_front.format(_ORDINALS[place - 1])
        return self.back if place == n else self.from_back.format(_ORDINALS[n - place])

    def subject(self, thing: str) -> str:
        """How a sentence about the thing starts: ``The owl is``."""
        return f"{self.the.capitalize()}{thing} {self.verb}"


def _spatial(opening: str, things: tuple[str, ...]) -> _Theme:
    ends = "the leftmost", "the {} from the left", "the rightmost", "the {} from the right"
    return _Theme(opening, things, "a", "the ", "is", "to the left of", "to the right of", *ends)


_THEMES = (
    _spatial("On a branch, there are {} birds:", BIRDS),
    _spatial("On a shelf, there are {} books:", tuple(f"{colour} book" for colour in COLOURS)),
    _Theme(
        "In an antique car show, there are {} vehicles:", VEHICLES, "a", "the ", "is", "newer than", "older than",
        "the newest", "the {}-newest", "the oldest", "the {}-oldest",
    ),
    _Theme(
        "A fruit stand sells {} fruits:", SOLD_FRUITS, "", "the ", "are", "more expensive than", "less expensive than",
        "the most expensive", "the {}-most expensive", "the cheapest", "the {}-cheapest",
    ),
    _Theme(
        "In a golf tournament, there were {} golfers:", GOLFERS, "", "", "finished", "above", "below",
        "first", "{}", "last", "{}-to-last",
    ),
)  # fmt: skip


def _given(clue: Clue) -> str:
    match clue:
        case Fixed(thing, place):
            return f"{thing} {place}."
        case Ordered(front, back):
            return f"{front} before {back}."


def _followed(conclusion: Fixed) -> str:
    return f"{conclusion.thing} can only be {conclusion.place}."


def _asked(place: int, thing: str, option: str) -> str:
    return f"{place} is {thing}, option {option}."


def _brief(phrase: str, theme: _Theme, thing: str) -> str:
    return f"Only one order fits all statements, and in it {theme.the}{thing} {theme.verb} {phrase}."


def _sentences(theme: _Theme, things: list[str]) -> dict[str, Clue]:
    """Every sentence (without its full stop) that the story can say about these things, and what it means."""
    said: dict[str, Clue] = {}
    for a in things:
        for phrase, place in theme.phrases(len(things)).items():
            said[f"{theme.subject(a)} {phrase}"] = Fixed(a, place)
        for b in things:
            said[f"{theme.subject(a)} {theme.before} {theme.the}{b}"] = Ordered(a, b)
            said[f"{theme.subject(a)} {theme.after} {theme.the}{b}"] = Ordered(b, a)
    return said


def _read(text: str, n: int) -> tuple[_Theme, list[str], list[str]] | None:
    """Theme, things and statements of a story about ``n`` things."""
    story, head = text.strip().split("\nOptions:")[0], _HEAD.format(_NUMBERS[n])
    for theme in _THEMES:
        start = head + theme.opening.format(_NUMBERS[n]) + " "
        if story.startswith(start):
            listed, *statements = story.removeprefix(start).removesuffix(".").split(". ")
            things = [re.sub("^an? ", "", thing) for thing in re.split(", and |, ", listed)]
            return (theme, things, statements) if len(set(things)) == n else None
    return None


def _solve(text: str, n: int) -> Solution | None:
    read = _read(text, n)
    if not read:
        return None
    theme, things, statements = read
    said = _sentences(theme, things)
    offered = {label: said.get(option) for label, option in options(text).items()}
    clues = [said[statement] for statement in statements if statement in said]
    concluded = conclude(things, clues) if len(clues) == len(statements) else None
    if not concluded:
        return None
    true = [(label, clue) for label, clue in offered.items() if isinstance(clue, Fixed) and clue in concluded]
    if len(true) != 1:
        return None
    [(label, answer)] = true
    followed = [conclusion for conclusion in concluded if conclusion not in clues]
    steps = [*map(_given, clues), *map(_followed, followed), _asked(answer.place, answer.thing, label)]
    return Solution(label, tuple(steps), _brief(theme.phrase(answer.place, n), theme, answer.thing))


def _say(rng: Random, theme: _Theme, clue: Clue, n: int) -> str:
    if isinstance(clue, Fixed):
        return f"{theme.subject(clue.thing)} {theme.phrase(clue.place, n)}."
    if rng.random() < 0.5:
        return f"{theme.subject(clue.front)} {theme.before} {theme.the}{clue.back}."
    return f"{theme.subject(clue.back)} {theme.after} {theme.the}{clue.front}."


def _clues(rng: Random, order: list[str], size: int) -> list[Clue]:
    """``size`` clues that leave this order only: no more than it needs, filled up with others that are true."""
    fixed: list[Clue] = [Fixed(thing, i + 1) for i, thing in enumerate(order)]
    ordered: list[Clue] = [Ordered(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    while True:
        rng.shuffle(ordered)
        pool = rng.sample(fixed, len(order) // 2) + ordered
        rng.shuffle(pool)
        needed = list(pool)
        for clue in pool:
            rest = [other for other in needed if other is not clue]
            if count_orders(order, rest) == 1:
                needed = rest
        if len(needed) <= size:
            spare = [clue for clue in pool if clue not in needed]
            chosen = needed + spare[: size - len(needed)]
            rng.shuffle(chosen)
            return chosen


def _generate(rng: Random, size: int, n: int) -> Item:
    theme = rng.choice(_THEMES)
    order = rng.sample(theme.things, n)
    statements = [_say(rng, theme, clue, n) for clue in _clues(rng, order, size)]
    things, place = rng.sample(order, n), rng.randint(1, n)
    listed = listing([f"{_article(theme, thing)}{thing}" for thing in things])
    head = _HEAD.format(_NUMBERS[n]) + theme.opening.format(_NUMBERS[n])
    offered = option_block([f"{theme.subject(thing)} {theme.phrase(place, n)}" for thing in things])
    label = f"({chr(ord('A') + things.index(order[place - 1]))})"
    return Item(f"{head} {listed}. {' '.join(statements)}\n{offered}", label)


def _article(theme: _Theme, thing: str) -> str:
    return "" if not theme.article else "an " if thing[0] in "aeiou" else "a "


def _family(n: int) -> Family:
    return Family(
        name=f"logical_deduction_{_NUMBERS[n]}_objects",
        dial="statements",
        sizes=(n - 1, n),
        limits=(n - 1, 2 * n),
        generate=partial(_generate, n=n),
        solve=partial(_solve, n=n),
        choices=option_labels,
    )


FAMILIES = tuple(_family(n) for n in _NUMBERS)
