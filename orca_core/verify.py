"""Verdicts: does an answer reach its query's gold target?

The built-in verifier reads an option letter, a number or a text, whichever the target is; a query whose answers need more
names a verifier of a plugin in ``meta["verifier"]``. An answer out of which nothing can be read is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Final

from orca_core.component import Component, Config
from orca_core.protocols import Verifier
from orca_core.records import DEAD, Query, Trace

STATED: Final = re.compile(
    r"\b(?:answer|option|choice|result|therefore|thus|hence|so)\b[^.:\n]{0,40}?(?:\bis|\bare|:|=)\s*([^\n]+)",
    re.IGNORECASE,
)
"""The words with which an explanation states its answer; the last such place counts."""
LETTER: Final = re.compile(r"\(([A-Z])\)|^\W*([A-Z])(?:[).:,]|\W*$)|\b(?:[Oo]ption|[Cc]hoice|[Ss]entence) ([A-Z])\b")
LABEL: Final = re.compile(r"(?:(?:option|choice|sentence) )?[(\[]?(?:([a-z])|(\d{1,2}))[)\]]?[.:]?", re.IGNORECASE)
"""An option by its label alone: ``(B)``, ``b``, ``Sentence B``, ``2``, ``Option 2``."""
BEFORE_TEXT: Final = re.compile(r"\s*\(?[A-Za-z1-9][).:]\s*(?=\S)")
NUMBER: Final = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+\u2212]?\.\d+")


class AnswerConfig(Config):
    """Holds the stated option letter, number or text against the target, whichever the target is."""


class AnswerVerifier:
    """The verifier of queries that name none."""

    def verify(self, query: Query, text: str) -> bool | None:
        if query.target is None:
            return None
        if query.choices and (gold := gold_option(query.target, query.choices)) is not None:
            return stated_option(text, query.choices) == gold
        if (number := _number(query.target)) is not None and NUMBER.fullmatch(query.target.strip().strip("$%")):
            return stated_number(text) == number
        return normalised(query.target) in map(normalised, (*_places(text), *_ending(text)))


ANSWER: Final = Component[AnswerConfig, Verifier]("answer", AnswerConfig, lambda config, context: AnswerVerifier())


class Judge:
    """Gives a trace its verdict, each verifier made once.

    Args:
        make: makes a verifier by its name.
    """

    def __init__(self, make: Callable[[str], Verifier]) -> None:
        self._make = make
        self._made: dict[str, Verifier] = {}

    def __call__(self, trace: Trace) -> Trace:
        query = trace.prompt.query
        if query.target is None or trace.finish_reason == DEAD:
            return trace
        name = str(query.meta.get("verifier", ANSWER.name))
        if name not in self._made:
            self._made[name] = self._make(name)
        return replace(trace, correct=self._made[name].verify(query, trace.text))


def stated_answer(trace: Trace) -> str | None:
    """What an answer comes down to, so that two answers to a question can be told to be the same; None: it states nothing.

    The likeliest choice where choices were scored; else the option it states, the number where the target is one, or the
    words with which it states its answer (its last line where it has no such words).
    """
    query = trace.prompt.query
    if trace.choice_logprobs:
        return str(max(range(len(trace.choice_logprobs)), key=trace.choice_logprobs.__getitem__))
    if query.choices:
        option = stated_option(trace.text, query.choices)
        return None if option is None else str(option)
    if query.target and _number(query.target) is not None:
        number = stated_number(trace.text)
        return None if number is None else str(number.normalize())
    lines = trace.text.strip().splitlines()
    return normalised(stated(trace.text) or (lines[-1] if lines else "")) or None


def stated_option(text: str, choices: Sequence[str]) -> int | None:
    """Index of the option that an answer states last: its letter, or else its text; None if it states none."""
    for place in _places(text):
        letters = [ord("".join(groups)) - ord("A") for groups in LETTER.findall(place)]
        if known := [index for index in letters if index < len(choices)]:
            return known[-1]
        if (index := gold_option(place, choices)) is not None:
            return index
    return None


def gold_option(target: str, choices: Sequence[str]) -> int | None:
    """Index of the option that a target names by its letter, its text, its number, or label and text; None if it is none.

    A text goes before a number, as options may be numbers themselves.
    """
    match, index = LABEL.fullmatch(target.strip().strip("*")), _index(target, choices)
    if match and match[1]:
        index = ord(match[1].upper()) - ord("A")
    elif match and index is None:
        index = int(match[2]) - 1
    elif index is None and (label := BEFORE_TEXT.match(target)):
        index = _index(target[label.end() :], choices)
    return index if index is not None and 0 <= index < len(choices) else None


def stated_number(text: str) -> Decimal | None:
    """The number that an answer states, or the last that it mentions; None if it holds none."""
    if (phrase := stated(text)) and (numbers := NUMBER.findall(phrase)):
        return _number(numbers[0])
    numbers = NUMBER.findall(text)
    return _number(numbers[-1]) if numbers else None


def stated(text: str) -> str | None:
    """What follows the last of the words that state an answer, which may follow one another in one line; None: no such words."""
    found, start = None, 0
    while match := STATED.search(text, start):
        found, start = match[1], match.start(1)
    return found


def normalised(text: str) -> str:
    """Case, outer punctuation, articles and runs of blanks do not make an answer another one.

    Of an answer without a letter or digit, such as brackets to be closed, punctuation is what it consists of.
    """
    plain = " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text.casefold()).split())
    return plain.strip(" .,;:!?\"'`*()[]$") if re.search(r"\w", plain) else plain.strip(" .`*")


def _places(text: str) -> list[str]:
    """Where an answer may stand, the best place first: where it is stated, the last line, the whole."""
    lines = text.strip().splitlines()
    return [place for place in (stated(text), lines[-1] if lines else None, text) if place]


def _ending(text: str) -> list[str]:
    """How the last line may end in its answer: ``The capital of France is Paris.``"""
    lines = text.strip().splitlines()
    return re.findall(r".*(?:\b(?:is|are|was|were)\s|:)\s*(.+)", lines[-1]) if lines else []


def _index(text: str, choices: Sequence[str]) -> int | None:
    wanted = normalised(text)
    return next((index for index, choice in enumerate(choices) if normalised(choice) == wanted), None)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip().strip("$%").replace(",", "").replace("\u2212", "-"))
    except InvalidOperation:
        return None
