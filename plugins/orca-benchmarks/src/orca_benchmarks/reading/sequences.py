"""Reads answers that are compared as they are written: lists of words, brackets, free text."""

from __future__ import annotations

import re
from typing import Final

from orca_benchmarks.reading.numbers import value_of
from orca_benchmarks.reading.reply import first_line, first_sentence, last_line, plain, statements

_BULLET: Final = re.compile(r"^\s*(?:\d+[.)]|[-*\u2022])\s+", re.MULTILINE)
_SORTED: Final = re.compile(
    r"\b(?:sorted|alphabetical|final)\b[^:.\n]{0,60}(?::|\bis\b|\bare\b)[\s*_:]*", re.IGNORECASE
)
_PROSE: Final = re.compile(r"[:.!?\"]\s")
"""What no list of words has inside."""
_SEPARATORS: Final = re.compile(r"[\s,;\u2192]+|\s<\s")
_BRACKETS: Final = re.compile(r"[\s\"'`*_:$]*([()\[\]{}<>](?:[\s,\"'`]*[()\[\]{}<>])*)[\s\"'`*_.]*")
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


def words_of(text: str) -> str | None:
    """A list of words as it is compared: lower case, one blank between; case, commas and marks around words do not count."""
    words = [word.strip('.,;:*_`"()[]') for word in _SEPARATORS.split(text.casefold())]
    return " ".join(word for word in words if word and word != "<") or None


def read_words(text: str) -> str | None:
    """The words that a reply lists last, in their order: in a line, or a line each, numbered or not."""
    places = [*statements(text), *(text[match.end() :] for match in reversed(list(_SORTED.finditer(text))))]
    for content in places:
        if words := words_of(_listing(content)):
            return words
    listing = _listing(text)
    return None if _PROSE.search(listing) else words_of(listing)


def _listing(content: str) -> str:
    """The first line up to the end of its sentence; where a line each was begun, all of the lines up to a blank one."""
    block = re.split(r"\n\s*\n", content.strip(), maxsplit=1)[0]
    lines = block.splitlines()
    if len(lines) > 1 and all(len(_BULLET.sub("", line).split()) == 1 for line in lines):
        return _BULLET.sub("", block).replace("\n", " ")
    return re.split(r"\.\s", lines[0], maxsplit=1)[0] if lines else ""


def brackets_of(text: str) -> str | None:
    """Brackets as they are compared, without blanks; None if the text is anything else."""
    match = _BRACKETS.fullmatch(text)
    return re.sub(r"[^()\[\]{}<>]", "", match[1]) if match else None


def read_brackets(text: str) -> str | None:
    """The brackets that a reply states last, or that its first or last line is."""
    for content in statements(text):
        line = first_line(content)
        if found := brackets_of(line) or _leading_brackets(line):
            return found
    return brackets_of(first_line(text)) or brackets_of(last_line(text))


def _leading_brackets(line: str) -> str | None:
    """Brackets followed by words: ``] ) because ...``."""
    match = _BRACKETS.match(line)
    return brackets_of(match[0]) if match and re.match(r"[\s,;]*(?:[A-Za-z]|$)", line[match.end() :]) else None


def text_of(text: str) -> str | None:
    """A free text as it is compared: case, articles, blanks and outer punctuation do not count; a number is its value."""
    said = plain(text)
    if re.fullmatch(r"[-+$\u2212]?[\d,]*\.?\d+%?", said):
        return value_of(said)
    return " ".join(_ARTICLES.sub(" ", said).split()) or None


def read_text(text: str) -> str | None:
    """The text that a reply states last; if it states none, the one line that it is."""
    for content in statements(text):
        if said := text_of(first_sentence(content)):
            return said
    lines = [line for line in text.splitlines() if line.strip()]
    return text_of(first_line(text)) if len(lines) == 1 else None
