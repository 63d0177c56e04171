"""Tracking shuffled objects among three, five or seven friends. The dial is the number of swaps (BIG-Bench Hard: as many
as friends).

Explained as a line after every swap: who swaps, then everybody's object by the letter of its option, in a fixed order, so
that a line differs from the one before in two places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from random import Random

from orca_reasoning.families.base import Family, Item, Solution, listing, option_block, option_labels, options
from orca_reasoning.lexicon import BOOKS, COLOURS, FRIENDS, PARTNERS, POSITIONS


@dataclass(frozen=True, slots=True)
class _Theme:
    """The sentences of one story, and what is swapped in it."""

    opening: str
    start: str
    has: str
    swapping: str
    swap: str
    end: str
    things: tuple[str, ...]


_THEMES = (
    _Theme(
        "are friends and avid readers who occasionally trade books.",
        "At the start of the semester, they each buy one new book:",
        "gets {}",
        "As the semester proceeds, they start trading around the new books.",
        "swap books",
        "At the end of the semester, {} has",
        BOOKS,
    ),
    _Theme(
        "are dancers at a square dance.",
        "At the start of a song, they each have a partner:",
        "is dancing with {}",
        "Throughout the song, the dancers often trade partners.",
        "switch partners",
        "At the end of the dance, {} is dancing with",
        PARTNERS,
    ),
    _Theme(
        "are playing a game.",
        "At the start of the game, they are each holding a ball:",
        "has a {}",
        "As the game progresses, pairs of players trade balls.",
        "swap balls",
        "At the end of the game, {} has the",
        tuple(f"{colour} ball" for colour in COLOURS),
    ),
    _Theme(
        "are holding a white elephant gift exchange.",
        "At the start of the event, they are each holding a present of a different color:",
        "has a {}",
        "As the event progresses, pairs of people swap gifts.",
        "swap their gifts",
        "At the end of the event, {} has the",
        tuple(f"{colour} present" for colour in COLOURS),
    ),
    _Theme(
        "are on the same team in a soccer match.",
        "At the start of the match, they are each assigned to a position:",
        "is playing {}",
        "As the game progresses, pairs of players occasionally swap positions.",
        "trade positions",
        "At the end of the match, {} is playing",
        POSITIONS,
    ),
)

_START = re.compile(r"(?::|, and|,) (\w+) (?:gets|is dancing with|has a|is playing) ([^,\n]+?)(?=,|\.\n)")
_SWAP = re.compile(
    r"(First|Then|Finally), (\w+) and (\w+) (?:swap|switch|trade) (?:their )?(?:books|partners|balls|gifts|positions)\."
)
_ASKED = re.compile(
    r"At the end of the (?:semester|dance|game|event|match), (\w+) (?:has the|has|is dancing with|is playing)\nOptions:\n"
)

State = dict[str, str]
"""Who has what, by the letter of the option."""


def _state(state: State) -> str:
    return ", ".join(f"{person} {letter}" for person, letter in state.items()) + "."


def _swapped(order: str, a: str, b: str, state: State) -> str:
    return f"{order} {a} and {b}: {_state(state)}"


def _brief(state: State) -> str:
    return f"After all the swaps: {_state(state)}"


def _solve(text: str, friends: int) -> Solution | None:
    asked, story = _ASKED.search(text), text.split("\nOptions:")[0]
    letters = {value: label for label, value in options(text).items()}
    held = dict(_START.findall(story))
    if not asked or len(held) != friends or set(held.values()) != set(letters) or asked[1] not in held:
        return None
    state = {person: letters[thing][1] for person, thing in held.items()}
    steps = [_state(state)]
    for order, a, b in _SWAP.findall(story):
        if a not in state or b not in state:
            return None
        state[a], state[b] = state[b], state[a]
        steps.append(_swapped(order, a, b, state))
    return Solution(f"({state[asked[1]]})", tuple(steps), _brief(state))


def _generate(rng: Random, size: int, friends: int) -> Item:
    theme, people = rng.choice(_THEMES), list(FRIENDS[:friends])
    things = rng.sample(theme.things, friends)
    holds, swaps = list(range(friends)), []
    for i in range(size):
        a, b = rng.sample(range(friends), 2)
        holds[a], holds[b] = holds[b], holds[a]
        order = "First" if i == 0 else "Finally" if i == size - 1 else "Then"
        swaps.append(f"{order}, {people[a]} and {people[b]} {theme.swap}.")
    asked = rng.randrange(friends)
    start = listing([f"{person} {theme.has.format(thing)}" for person, thing in zip(people, things, strict=True)])
    end = theme.end.format(people[asked])
    text = f"{listing(people)} {theme.opening} {theme.start} {start}.\n{theme.swapping} {' '.join(swaps)} {end}\n"
    return Item(text + option_block(things), f"({chr(ord('A') + holds[asked])})")


def _family(word: str, friends: int) -> Family:
    return Family(
        name=f"tracking_shuffled_objects_{word}_objects",
        dial="swaps",
        sizes=(1, friends),
        limits=(1, 30),
        generate=partial(_generate, friends=friends),
        solve=partial(_solve, friends=friends),
        choices=option_labels,
    )


FAMILIES = (_family("three", 3), _family("five", 5), _family("seven", 7))
