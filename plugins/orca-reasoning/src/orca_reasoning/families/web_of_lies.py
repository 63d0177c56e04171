"""Web of lies: who tells the truth? The dial is the number of people; BIG-Bench Hard's have 5.

Explained person by person: each statement with its truth, which is the speaker's own.
"""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random

from orca_reasoning.families.base import YES_NO, Family, Item, Solution
from orca_reasoning.lexicon import NAMES

_QUESTION = re.compile(r"\s*Question: (.+?)\. Does (\w+) tell the truth\?\s*")
_KNOWN = re.compile(r"(\w+) (tells the truth|lies)")
_SAYS = re.compile(r"(\w+) says (\w+) (tells the truth|lies)")
_CLAIMS = {True: "tells the truth", False: "lies"}


def _known(person: str, honest: bool) -> str:
    return f"{person}: {'true' if honest else 'false'}."


def _judged(speaker: str, person: str, claim: str, honest: bool) -> str:
    return f"{speaker} says {person} {claim}: {'true' if honest else 'false'}."


def _brief(honest: dict[str, bool]) -> str:
    return ", ".join(f"{person} {'true' if told else 'false'}" for person, told in honest.items()) + "."


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found:
        return None
    honest: dict[str, bool] = {}
    steps: list[str] = []
    open_statements: list[tuple[str, str, str]] = []
    for sentence in found[1].split(". "):
        if known := _KNOWN.fullmatch(sentence):
            honest[known[1]] = known[2] == _CLAIMS[True]
            steps.append(_known(known[1], honest[known[1]]))
        elif says := _SAYS.fullmatch(sentence):
            open_statements.append((says[1], says[2], says[3]))
        else:
            return None
    while ready := next((s for s in open_statements if s[1] in honest), None):
        open_statements.remove(ready)
        speaker, person, claim = ready
        honest[speaker] = honest[person] == (claim == _CLAIMS[True])
        steps.append(_judged(speaker, person, claim, honest[speaker]))
    asked = found[2]
    if asked not in honest:
        return None
    return Solution("Yes" if honest[asked] else "No", tuple(steps), _brief(honest))


def _generate(rng: Random, size: int) -> Item:
    people = rng.sample(NAMES, size)
    honest = rng.random() < 0.5
    sentences = [f"{people[0]} {_CLAIMS[honest]}."]
    for person, speaker in pairwise(people):
        claim = rng.random() < 0.5
        honest = honest == claim
        sentences.append(f"{speaker} says {person} {_CLAIMS[claim]}.")
    return Item(f"Question: {' '.join(sentences)} Does {people[-1]} tell the truth?", "Yes" if honest else "No")


FAMILY = Family(
    name="web_of_lies",
    dial="people",
    sizes=(2, 5),
    limits=(1, 30),
    generate=_generate,
    solve=_solve,
    choices=lambda text: YES_NO,
)
