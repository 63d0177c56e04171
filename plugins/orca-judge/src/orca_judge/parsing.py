"""Reading a judge's reply, strictly: what does not say one thing in the form that was asked for says nothing."""

from __future__ import annotations

import re
from typing import Final

LOWEST, HIGHEST = 0.0, 10.0
"""Scores in this range are read. The forms ask for 1 to 10, but judges give 0 to an answer that is none, and to lose just
these replies would favour it."""
_NUMBER: Final = r"\d{1,2}(?:\.\d+)?"
_PAIR: Final = re.compile(rf"({_NUMBER})(?:\s*,\s*|[ \t]+)({_NUMBER})")
_TUPLE: Final = re.compile(rf"\(?\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)?")
_VERDICT: Final = re.compile(r"\[\[([^\[\]\n]{0,40})\]\]")
WINS: Final = {"A": 1.0, "B": 0.0, "C": 0.5}
"""What a verdict means for the first answer."""


def scores(reply: str) -> tuple[float, float] | None:
    """The two scores that are all of the first line: ``8 9``, ``8, 9``."""
    lines = reply.strip().splitlines()
    return _in_range(_PAIR.fullmatch(lines[0].strip())) if lines else None


def score_tuple(reply: str) -> tuple[float, float] | None:
    """The two scores ``(8, 9)`` that are all of a line; None if two lines say different ones."""
    found = {_in_range(match) for line in reply.splitlines() if (match := _TUPLE.fullmatch(line.strip()))}
    return found.pop() if len(found) == 1 else None


def verdict(reply: str) -> float | None:
    """The first answer's win (1), loss (0) or tie (0.5) after ``[[A]]``, ``[[B]]`` or ``[[C]]``; None if two differ."""
    found = set(_VERDICT.findall(reply))
    return WINS.get(found.pop()) if len(found) == 1 else None


def rating(reply: str) -> float | None:
    """The grade in ``[[7]]``; None if two differ."""
    found = set(_VERDICT.findall(reply))
    if len(found) != 1 or not re.fullmatch(_NUMBER, text := found.pop()):
        return None
    value = float(text)
    return value if LOWEST <= value <= HIGHEST else None


def _in_range(match: re.Match[str] | None) -> tuple[float, float] | None:
    if match is None:
        return None
    first, second = float(match[1]), float(match[2])
    return (first, second) if max(first, second) <= HIGHEST else None
