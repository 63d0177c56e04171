"""Dyck languages: close the brackets that are open. The dial is the number of brackets given; BIG-Bench Hard's have 2 to 99.

Explained by striking out: in every line all adjacent matching pairs of the line before are gone. What is left is open, and
is closed from the last to the first.
"""

from __future__ import annotations

import re
from random import Random

from orca_reasoning.families.base import Family, Item, Solution

_HEAD = "Complete the rest of the sequence, making sure that the parentheses are closed properly. Input: "
_QUESTION = re.compile(rf"\s*{re.escape(_HEAD.strip())}\s*([][(){{}}<>\s]+)")
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_PAIR = re.compile(r"\(\)|\[\]|\{\}|<>")


def _struck_out(brackets: str) -> str:
    return f"{_spaced(brackets)} ;"


def _open(brackets: str) -> str:
    return f"{_spaced(brackets)} are open, from the last {_spaced(brackets[::-1])}."


def _brief(brackets: str) -> str:
    return f"Still open: {_spaced(brackets)}."


def _spaced(brackets: str) -> str:
    return " ".join(brackets)


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found:
        return None
    line = "".join(found[1].split())
    steps = []
    while (shorter := _PAIR.sub("", line)) != line:
        line = shorter
        if _PAIR.search(line):
            steps.append(_struck_out(line))
    if not line or not set(line) <= set(_CLOSING):
        return None
    answer = _spaced("".join(_CLOSING[bracket] for bracket in reversed(line)))
    return Solution(answer, (*steps, _open(line)), _brief(line))


def _generate(rng: Random, size: int) -> Item:
    """A random walk that is still open at its end."""
    while True:
        brackets: list[str] = []
        stack: list[str] = []
        for _ in range(size):
            if not stack or rng.random() < 0.5:
                brackets.append(rng.choice(list(_CLOSING)))
                stack.append(brackets[-1])
            else:
                brackets.append(_CLOSING[stack.pop()])
        if stack:
            return Item(_HEAD + " ".join(brackets), " ".join(_CLOSING[bracket] for bracket in reversed(stack)))


FAMILY = Family(
    name="dyck_languages",
    dial="brackets",
    sizes=(2, 16),
    limits=(1, 200),
    generate=_generate,
    solve=_solve,
    form=r"[\]>)}]+",
    ignore=" ",
)
