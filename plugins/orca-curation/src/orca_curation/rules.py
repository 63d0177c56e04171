"""Rules about answers as data: what is said, where it must stand, and when it does not count.

A rule's id is the reason under which the answers that break it are counted. ``refusals.yaml`` shows the form of a file of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from orca_core import Config, Query, Trace
from orca_curation.named import read_named

Phrase = Annotated[str, StringConstraints(pattern=r"\S")]
STRAIGHT: Final = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"'})
ENDS: Final = re.compile(r"(?:[.!?:][ \n]|\n)[*_# -]*")
"""What stands between two sentences, Markdown included; a quotation mark in front of one makes it somebody else's sentence."""
MARKUP: Final = re.compile(r"[*_# -]*")
REST: Final = re.compile(r"[^.!?]*[.!?]?")


class Rule(Config):
    """What an answer must not say."""

    phrases: tuple[Phrase, ...] = Field((), description="texts, matched as whole words")
    patterns: tuple[str, ...] = Field(
        (), description="regular expressions of Python's re; a blank matches any run of blanks and line breaks"
    )
    needs: tuple[Phrase, ...] = Field(
        (), description="texts in small letters, one of which the answer must hold: a quick look that saves time"
    )
    prefix: str = Field("", description="a regular expression that stands in front of each of them")
    where: Literal["start", "sentence", "anywhere"] = Field(
        "anywhere", description="where it must stand: at the start of the answer, at that of a sentence, or anywhere"
    )
    within: int | None = Field(None, ge=1, description="only if it begins within the first so many characters")
    case: bool = Field(False, description="capitals matter")
    unless: tuple[str, ...] = Field(
        (), description="regular expressions that excuse it, looked for from there to the end of the sentence"
    )
    unless_query: tuple[str, ...] = Field(
        (), description="regular expressions that excuse it, looked for in the query, its choices and its target"
    )
    unless_correct: bool = Field(False, description="an answer that reaches the gold target is excused")

    @property
    def expressions(self) -> Iterator[str]:
        """Phrases and patterns as regular expressions."""
        front = f"(?:{self.prefix})" if self.prefix else ""
        for phrase in self.phrases:
            yield rf"{front}(?<!\w){' '.join(map(re.escape, phrase.split()))}(?!\w)"
        for pattern in self.patterns:
            yield f"{front}(?:{pattern})" if front else pattern

    @model_validator(mode="after")
    def _says_something(self) -> Rule:
        if not self.phrases and not self.patterns:
            raise ValueError("the rule has neither phrases nor patterns; give it some")
        alone = filter(None, (self.prefix, *self.patterns, *self.unless, *self.unless_query))
        for pattern in (*alone, *self.expressions):
            try:
                empty = re.compile(pattern).match("")
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
            if empty and pattern != self.prefix:
                raise ValueError(f"{pattern!r} matches the empty text, and so every text")
        return self


class Answer:
    """A text as rules look at it: straight quotation marks, one blank for every run of blanks and line breaks."""

    def __init__(self, text: str) -> None:
        lines = (" ".join(line.split()) for line in (text if text.isascii() else text.translate(STRAIGHT)).splitlines())
        self._lines = "\n".join(filter(None, lines))
        self.text = self._lines.replace("\n", " ")

    @cached_property
    def lower(self) -> str:
        """The text in small letters."""
        return self.text.lower()

    @cached_property
    def starts(self) -> list[int]:
        """Where its sentences begin."""
        first = MARKUP.match(self._lines)
        return [first.end() if first else 0, *(match.end() for match in ENDS.finditer(self._lines))]


class Matcher:
    """One rule, ready to be held against answers."""

    def __init__(self, rule: Rule) -> None:
        flags = 0 if rule.case else re.IGNORECASE
        self.rule = rule
        self.patterns = [re.compile(pattern, flags) for pattern in rule.expressions]
        self.unless = [re.compile(pattern, flags) for pattern in rule.unless]
        self.unless_query = [*self.patterns, *(re.compile(pattern, flags) for pattern in rule.unless_query)]

    def breaks(self, answer: Answer) -> bool:
        """Whether an answer says it, in that place and without an excuse in the same sentence."""
        if self.rule.needs and not any(text in answer.lower for text in self.rule.needs):
            return False
        return any(not self._excused(answer.text, match) for match in self._matches(answer))

    def _matches(self, answer: Answer) -> Iterator[re.Match[str]]:
        end = len(answer.text) if self.rule.within is None else self.rule.within
        if self.rule.where == "anywhere":
            found = (match for pattern in self.patterns for match in pattern.finditer(answer.text))
            yield from (match for match in found if match.start() < end)
            return
        for start in answer.starts[:1] if self.rule.where == "start" else answer.starts:
            if start >= end:
                return
            yield from filter(None, (pattern.match(answer.text, start) for pattern in self.patterns))

    def _excused(self, text: str, match: re.Match[str]) -> bool:
        rest = REST.match(text, match.end())
        sentence = text[match.start() : rest.end() if rest else None]
        return any(pattern.search(sentence) for pattern in self.unless)

    def fits(self, query: Query) -> bool:
        """Whether a query gives cause to say it: it says so itself, among its choices or as its target."""
        said = Answer("\n".join((query.text, *query.choices, query.target or "")))
        return any(pattern.search(said.text) for pattern in self.unless_query)


class Rules:
    """Rules by id, held against answers in their order."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._matchers = {name: Matcher(rule) for name, rule in rules.items()}

    def broken(self, trace: Trace) -> str | None:
        """The id of the first rule that the answer breaks."""
        answer = Answer(trace.text)
        for name, matcher in self._matchers.items():
            if matcher.rule.unless_correct and trace.correct:
                continue
            if matcher.breaks(answer) and not matcher.fits(trace.prompt.query):
                return name
        return None


def read_rules(path: Path) -> dict[str, Rule]:
    """The rules of a YAML file, by id.

    Raises:
        DataError: the file cannot be read or a rule is wrong; with the rule and its line.
    """
    return read_named(path, Rule, "rule", "{phrases: [...]}")
