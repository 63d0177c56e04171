"""Reads the number that a reply arrives at."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from orca_benchmarks.reading.reply import first_line, first_sentence, last_line, statements

_NUMBER: Final = r"([-+\u2212]?\s?[$\u20ac\u00a3]?\s?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|[-+\u2212]?\.\d+)"
_QUOTES: Final = r"[\s*_`\"'(\[\\$]*"
_LEAD: Final = r"(?:(?:about|approximately|exactly|equal to|just|only|simply|a total of|there are|you have|i have)\s+)*"
_START: Final = re.compile(rf"{_QUOTES}{_LEAD}{_QUOTES}{_NUMBER}(?![\w/]|\.\d)", re.IGNORECASE)
_MORE: Final = re.compile(r"\s*(?:[+*/\u00d7\u00f7^]|[-\u2212]\s*[\d(]|(?:or|and)\s+-?\d)")
_ANY: Final = re.compile(rf"(?<![\w.]){_NUMBER}(?![\w/]|\.\d)")
_ALONE: Final = re.compile(
    rf"[\s*_`\"'$\\]*(?:=\s*)?{_NUMBER}[\s.*_`\"'!%$\\]*(?:[a-z]+(?:\s+[a-z]+)?[\s.*!]*)?", re.IGNORECASE
)
"""A number and its unit, and nothing else: no bracket, no operator."""
_CUE: Final = re.compile(
    r"\b(?:so|therefore|thus|hence|total|altogether|have|has|are|is|equals|makes|left|needs?)\b|=", re.IGNORECASE
)
_UNITS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_SPELT: Final = {word: value for value, word in enumerate(_UNITS.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), 2)
}
_WORD: Final = re.compile(
    rf"\b({'|'.join(sorted(_SPELT, key=len, reverse=True))})(?:[-\s](one|two|three|four|five|six|seven|eight|nine))?\b",
    re.IGNORECASE,
)


def read_number(text: str) -> str | None:
    """The number that a reply arrives at, in plain decimal form (``-1250.5``); None if it arrives at none.

    In this order: what it states last; the first or the last line if it is a number; the number of the concluding sentence, or
    the right side of its last equation.
    """
    for content in statements(text):
        if number := _stated(content):
            return number
    for line in (first_line(text), last_line(text)):
        if (alone := _ALONE.fullmatch(line)) or (alone := _WORD.fullmatch(line.strip(" .*"))):
            return value_of(alone[0])
    return _concluded(last_line(text))


def value_of(text: str) -> str | None:
    """A number as it is compared: no thousands separators, currency or superfluous zeros; the first of the text."""
    if match := _ANY.search(text):
        digits = re.sub(r"[,\s$\u20ac\u00a3]", "", match[1]).replace("\u2212", "-")
        value = Decimal(digits)
        return format(value.normalize() if value else Decimal(0), "f")
    if spelt := _WORD.search(text):
        return str(_SPELT[spelt[1].lower()] + (_SPELT[spelt[2].lower()] if spelt[2] else 0))
    return None


def _stated(content: str) -> str | None:
    sentence = first_sentence(content).rpartition("=")[2]
    if start := _START.match(sentence):
        return None if _MORE.match(sentence, start.end()) else value_of(start[1])
    return _only(sentence)


def _only(sentence: str) -> str | None:
    """The one number of a sentence."""
    values = {value_of(match[1]) for match in _ANY.finditer(sentence)}
    if not values:
        return value_of(sentence) if len(_WORD.findall(sentence)) == 1 else None
    return values.pop() if len(values) == 1 else None


def _concluded(line: str) -> str | None:
    *_, sentence = re.split(r"(?<=[.!?])\s+", line)
    if "=" in sentence:
        alone = _ALONE.fullmatch(sentence.rpartition("=")[2])
        return value_of(alone[1]) if alone else None
    return _only(sentence) if _CUE.search(sentence) else None
