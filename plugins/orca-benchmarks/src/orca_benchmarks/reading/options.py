"""Reads which lettered option a reply chooses: the letter, or else the option's text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from orca_benchmarks.reading.reply import first_line, first_sentence, last_line, plain, statements

_PAREN = r"[(\[]\s*([A-Za-z])\s*[)\]]"
_WHY = r"\s+(?:[-\u2013\u2014(]|(?:because|since|as|for|which|due)\b)"
# "A" and "I" are words as well: they are letters only where a mark, the end or a reason follows.
_BARE = rf"([A-Z])(?=[).:,;\]*_\"'`]|\s*$|{_WHY})|([B-HJ-Z])(?=\s)"
_NOUN = r"(?i:option|choice|answer|sentence|statement|letter)"
# How what is stated begins; the further option that would make it two; any option named in it; one that is ruled out.
_START: Final = re.compile(rf"[\W_]*?(?:(?i:the)\s+)?(?:{_NOUN}[\s:*]+)?(?:{_PAREN}|{_BARE})")
_ANOTHER: Final = re.compile(
    rf"[)\]*_\"'\s]*(?:,?\s*(?i:or|and|&|/)[\s*]*(?:{_NOUN}\s+)?|,?\s*)(?:{_PAREN}|([A-Z])(?=[).,;*]|\s*$))"
)
_ANY: Final = re.compile(rf"{_PAREN}|(?<![\w'])([A-Z])(?=[).:,;]|\s*$)|\b{_NOUN}\s+([A-Z])\b")
_NOT: Final = re.compile(
    rf"\b(?i:not|neither|nor|isn't|rather than|instead of|except)\s+(?:{_NOUN}\s+)?(?:{_PAREN}|[A-Z](?=\W|$))"
)
# Without such words: an option called right or chosen; one that the last line comes to; the only one in bold.
_MARK = r"[(\[*_]*\b([A-Z])\b[)\]*_]*"
_CHOSEN: Final = (
    re.compile(
        rf"{_MARK}\s+(?i:is|must be)\s+(?i:(?:the|clearly|definitely|indeed|most)\s+)*(?i:correct|right|best|answer)\b"
    ),
    re.compile(
        rf"\b(?i:I|we)(?i:'d|'ll|\s+would|\s+will|\s+must)?\s+(?i:choose|pick|select|answer|go\s+with)\s+(?:{_NOUN}\s+)?{_MARK}(?=\W|$)"
    ),
)
_CONCLUDED: Final = re.compile(
    rf"\b(?i:so|therefore|thus|hence|leaving|leaves|conclusion|must be)\b[\s,:]+"
    rf"(?i:(?:it|it's|is|must|be|only|us|with|the|remains|we|have|choose|{_NOUN})[\s,:]+)*{_MARK}[\W_]*$"
)
_IS_LAST: Final = re.compile(r"\b(?:is|be|are):?\s*[*_\"']*[(\[]([A-Z])[)\]][\W_]*$")
_BOLD: Final = re.compile(r"\*\*[(\[]?([A-Z])[)\]]?[.:]?\*\*")
# A line that is an option; a line that begins with its label.
_ALONE: Final = re.compile(rf"[\W_]*(?:{_NOUN}[\s:]+)?(?:{_PAREN}|([A-Z]))(?:[.)*_\s]*(?::?[*_\s]+(\S.*))?)?")
_LEADING: Final = re.compile(r"[*_\s]*(?:[(\[]([A-Z])[)\]]|([A-Z])[).:,])(?=\W|$)")
_OWN_TURN: Final = re.compile(r"^A:\s*(?=[(\[][A-Za-z][)\]])")
"""``A: (B)``: the prompt's own sign repeated, not option A."""


def read_option(text: str, options: Sequence[str]) -> str | None:
    """The capital letter of the option that a reply chooses; None if it chooses none, or more than one.

    In this order: what it states last; an option called right, or concluded to at the end; the reply as a whole, its first
    or its last line.
    """
    text = _OWN_TURN.sub("", text)
    for content in statements(text):
        if letter := _stated(content, options):
            return letter
    return _called_right(text, options) or _alone(text, options)


def _known(letter: str, options: Sequence[str]) -> str | None:
    return letter.upper() if 0 <= ord(letter.upper()) - ord("A") < len(options) else None


def _group(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _stated(content: str, options: Sequence[str]) -> str | None:
    """The option that the words after ``the answer is`` name."""
    line = first_line(content)
    if not _NOT.match(line) and (start := _START.match(line)):
        letter = _known(_group(start), options)
        further = _ANOTHER.match(line, start.end())
        torn = further and _known(_group(further), options) not in (None, letter)
        return None if torn else letter
    sentence = first_sentence(content)
    labels = {_known(_group(match), options) for match in _ANY.finditer(_NOT.sub(" ", sentence))} - {None}
    if labels:
        return labels.pop() if len(labels) == 1 else None
    return _by_text(sentence, options) or _by_text(line, options)


def _by_text(content: str, options: Sequence[str]) -> str | None:
    """The one option whose text the content is, or holds; of texts within one another, the longest."""
    said, texts = plain(content), [plain(option) for option in options]
    found = [text for text in texts if text and text == said] or [
        text for text in texts if text and re.search(rf"(?<![\w-]){re.escape(text)}(?!\w)", said)
    ]
    found = [text for text in found if not any(text != other and text in other for other in found)]
    if len(found) != 1 or texts.count(found[0]) > 1 or re.search(rf"\bnot\s+(?:\w+\s+)?{re.escape(found[0])}", said):
        return None
    return chr(ord("A") + texts.index(found[0]))


def _called_right(text: str, options: Sequence[str]) -> str | None:
    for pattern in _CHOSEN:
        for match in reversed(list(pattern.finditer(text))):
            if letter := _known(match[1], options):
                return letter
    line = last_line(text)
    if concluded := _CONCLUDED.search(line) or _IS_LAST.search(line):
        return _known(concluded[1], options)
    bold = set(_BOLD.findall(text))
    return _known(bold.pop(), options) if len(bold) == 1 else None


def _alone(text: str, options: Sequence[str]) -> str | None:
    """The option that the first line is, or the last if it stands apart; a list of several is no choice, nor a list begun."""
    lines = [line for line in text.splitlines() if line.strip()]
    if sum(bool(_LEADING.match(line)) for line in lines) > 1:
        return None
    apart = len(lines) > 1 and re.search(r"(?:\n[ \t]*\n|:[*_ \t]*\n)[^\n]*$", text)
    for line in (first_line(text), *([last_line(text)] if apart else [])):
        if letter := _line(line, options):
            return letter
    if lines and (leading := _LEADING.match(lines[0])):
        return _known(_group(leading), options)
    return _by_text(text, options) if len(lines) == 1 and plain(text) in map(plain, options) else None


def _line(line: str, options: Sequence[str]) -> str | None:
    """A label alone, or a label with its own option's text."""
    match = _ALONE.fullmatch(line)
    letter = _known(match[1] or match[2], options) if match else None
    if match is None or letter is None:
        return None
    rest = plain(match[3] or "")
    return letter if not rest or rest == plain(options[ord(letter) - ord("A")]) else None
