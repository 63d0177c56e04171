"""Reads which of a few words a reply says: yes or no, valid or invalid, True or False."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from orca_benchmarks.items import Space
from orca_benchmarks.reading.reply import first_line, first_sentence, last_line, statements

_NEGATED: Final = r"(?:(not|n't|never)\s+(?:\w+ly\s+)?(?:an?\s+)?)?"
_EITHER: Final = re.compile(r"[\W_]*(?:or|and|/|nor)\b", re.IGNORECASE)
_SUBJECTS: Final = "argument|statement|expression|sentence|claim|conclusion|reasoning|inference|result|value|whole"
_JOINED: Final = (
    r"(?:\b(?:so|therefore|thus|hence|is|are|be|as|to|say|remains|get|gives|conclude|conclusion|result)\b|[=:\u2192])"
)


def read_word(text: str, space: Space) -> str | None:
    """The word of the space that a reply says, in lower case; None if it says none, or more than one.

    In this order: what it states last; what it begins with; what is said of the argument (or the like) last; what it ends in.
    """
    for content in statements(text):
        if word := _stated(content, space):
            return word
    return _begun(text, space) or _predicated(text, space) or _ended(text, space)


@lru_cache
def _phrases(options: tuple[str, ...], synonyms: tuple[tuple[str, str], ...]) -> tuple[str, dict[str, str]]:
    """A pattern of all the phrases that stand for a word, the longest first, and the word of each."""
    meaning = {option.casefold(): option.casefold() for option in options}
    meaning |= {phrase: word.casefold() for phrase, word in synonyms}
    names = sorted(meaning, key=len, reverse=True)
    return rf"{_NEGATED}(?<![\w-])({'|'.join(map(re.escape, names))})(?![\w'-])", meaning


def _pattern(space: Space) -> str:
    return _phrases(space.options, tuple(space.synonyms.items()))[0]


def _word(match: re.Match[str], space: Space) -> str:
    """The word that a phrase stands for; of two words, the other one if it is negated."""
    meaning = _phrases(space.options, tuple(space.synonyms.items()))[1]
    word = meaning[match[2].casefold()]
    return next(o.casefold() for o in space.options if o.casefold() != word) if match[1] else word


def _stated(content: str, space: Space) -> str | None:
    start = re.match(rf"[\W_]*(?:\w+ly\s+)?{_pattern(space)}", content, re.IGNORECASE)
    if start:
        return None if _EITHER.match(content, start.end()) else _word(start, space)
    return _only(first_sentence(content), space)


def _only(sentence: str, space: Space) -> str | None:
    words = {_word(match, space) for match in re.finditer(_pattern(space), sentence, re.IGNORECASE)}
    return words.pop() if len(words) == 1 else None


def _begun(text: str, space: Space) -> str | None:
    """``Yes, because ...``, ``No.``, ``**valid**``; but neither ``No one ...`` nor ``True and False is ...``."""
    end = r"(?=[\W_]*$|[*_\"')\]]*\s*[,.;:!\u2014\u2013]|\s+(?:because|since|as)\b)"
    match = re.match(rf"[\W_]*{_pattern(space)}{end}", first_line(text), re.IGNORECASE)
    return _word(match, space) if match else None


def _predicated(text: str, space: Space) -> str | None:
    said: Iterator[re.Match[str]] = re.finditer(
        rf"\b(?:{_SUBJECTS})\s+(?:\w+\s+){{0,2}}?(?:is|evaluates\s+to)\s+(?:\w+ly\s+)?{_pattern(space)}",
        text,
        re.IGNORECASE,
    )
    return _word(last, space) if (last := _last(said)) else None


def _ended(text: str, space: Space) -> str | None:
    """``... = True``, ``So, no.``, ``It is therefore invalid``, or a last line that is the word alone."""
    line = last_line(text)
    match = re.search(rf"(?:^|{_JOINED})[\W_]*(?:\w+ly\s+)?{_pattern(space)}[\W_]*$", line, re.IGNORECASE)
    if match and match[0].lstrip().startswith(("=", "\u2192")):
        # A line of an equation that goes on in the middle of an argument is a step of it, and "= not True" is one as well.
        step = match[1] or not (line.startswith("=") or line == text.strip())
        return None if step else _word(match, space)
    return _word(match, space) if match else None


def _last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    found = list(matches)
    return found[-1] if found else None
