"""Object counting: ``I have a flute, two lamps, and a trumpet. How many musical instruments do I have?`` The dial is the
number of kinds listed; BIG-Bench Hard's list 2 to 12.

Explained as a running count, item by item; what is not asked for leaves the count as it was and is marked ``no``.
"""

from __future__ import annotations

import re
from random import Random

from orca_reasoning.families.base import Family, Item, Solution, listing
from orca_reasoning.lexicon import PLURALS

_QUESTION = re.compile(r"\s*I have (.+?)\. How many ([a-z ]+) do I have\?\s*")
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_COUNTS = {"a": 1, "an": 1} | {word: i + 1 for i, word in enumerate(_NUMBERS)}
_KIND_OF = {form: kind for kind, things in PLURALS.items() for pair in things.items() for form in pair}


def _counted(item: str, total: int, counts: bool) -> str:
    return f"{item}: {total}." if counts else f"{item}: no, {total}."


def _brief(counted: list[str]) -> str:
    """The items that count, without the sum."""
    return f"Count {', '.join(counted) or 'nothing'}."


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found or found[2] not in PLURALS:
        return None
    kind, total, steps = found[2], 0, []
    counted: list[str] = []
    for item in re.split(r", and |, | and ", found[1]):
        number, _, thing = item.partition(" ")
        if number not in _COUNTS or thing not in _KIND_OF:
            return None
        counts = kind in ("objects", _KIND_OF[thing])
        total += _COUNTS[number] if counts else 0
        counted += [item] * counts
        steps.append(_counted(item, total, counts))
    return Solution(str(total), tuple(steps), _brief(counted))


def _phrase(kind: str, thing: str, count: int) -> str:
    if count > 1:
        return f"{_NUMBERS[count - 1]} {PLURALS[kind][thing]}"
    return f"{'an' if thing[0] in 'aeiou' else 'a'} {thing}"


def _generate(rng: Random, size: int) -> Item:
    asked = rng.choice(list(PLURALS))
    strangers = 0 if asked == "objects" else rng.randint(0, size // 2)
    other = rng.choice([kind for kind in PLURALS if kind != asked])
    things = [(asked, thing) for thing in rng.sample(list(PLURALS[asked]), size - strangers)]
    things += [(other, thing) for thing in rng.sample(list(PLURALS[other]), strangers)]
    rng.shuffle(things)
    counts = [rng.choice((1, 1, 1, 2, 3, 4, 5)) for _ in things]
    total = sum(count for (kind, _), count in zip(things, counts, strict=True) if kind == asked)
    phrases = [_phrase(kind, thing, count) for (kind, thing), count in zip(things, counts, strict=True)]
    items = ", and ".join(phrases) if size == 2 else listing(phrases)
    return Item(f"I have {items}. How many {asked} do I have?", str(total))


FAMILY = Family(
    name="object_counting",
    dial="kinds listed",
    sizes=(2, 12),
    limits=(1, 14),
    generate=_generate,
    solve=_solve,
    form=r"\d+",
)
