"""Finds the options of a multiple-choice question in its text.

FLAN writes them in dozens of ways, in three shapes: bullets under a heading (``OPTIONS:\\n- yes\\n- no``), labels under or
after a heading (``Options: a) x, b) y``), and bare labels at the text's end (``... (A) x (B) y``, ``Option A: x``). A text
in none of these shapes has no options: an unread list costs a message its place, a misread one costs a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from orca_core.verify import stated_option

_HEADING: Final = re.compile(
    r"\b(?:(?:options|choices|alternatives|possible answers)(?: are)?"
    r"|(?:choose|pick|select)(?: (?:your|the|an) answer)? from(?: the following)?)\s?:",
    re.IGNORECASE,
)
_HINTS: Final = ("options", "choices", "alternatives", "possible answers", "from:", "from the following")
"""One of these is in every heading: looked for first, as most texts have none."""
_BULLET: Final = re.compile(r"[ \t]*(?:[-*+\u2022]|\[[-*+]\])[ \t]+(?=\S)")
_ROMAN: Final = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
_LABELS: Final = (
    tuple(ascii_uppercase),
    tuple(ascii_lowercase),
    tuple(map(str, range(1, 27))),
    _ROMAN,
    tuple(label.lower() for label in _ROMAN),
)
"""What options are labelled with. A first label belongs to one of them alone."""
_NAMED: Final = r"(?i:option|choice|sentence|answer|statement|ending) ?{}\s?[:.)]"
_FRAMES: Final = (r"\({}\)[.:]?", r"\[{}\][.:]?", _NAMED, r"{}\s?\)[.:]?", r"{}[.:](?!\d)")
_PLAIN_FRAMES: Final = (r"\({}\)", r"(?i:option|choice) ?{}\s?:")
"""The labels that stand for options even where no heading says so."""
_PLAIN_LABELS: Final = (_LABELS[0], _LABELS[2])
_PROSE: Final = 300
"""Characters: what is longer between two labels is a clause of a contract, not an option."""


def options_of(text: str, target: str | None) -> tuple[str, ...]:
    """The options of a question, provided that its gold target states one of them: otherwise it asks for something else."""
    options = parse_options(text)
    return options if target is None or stated_option(target, options) is not None else ()


def parse_options(text: str) -> tuple[str, ...]:
    """The texts of the options that a question ends in, without their labels; empty if there are none (or one)."""
    lowered = text.lower()
    if any(hint in lowered for hint in _HINTS):
        for heading in reversed(list(_HEADING.finditer(text))):
            if options := _headed(text[heading.end() :]):
                return options
    return _unheaded(text)


def _headed(tail: str) -> tuple[str, ...]:
    lines = tail.lstrip().splitlines() or [""]
    if _BULLET.match(lines[0]):
        items = list(_bulleted(lines))
        return _unlabelled(items) or tuple(items) if len(items) > 1 else ()
    first = lines[0].strip()
    if first.startswith("[") and first.endswith("]"):
        lines = [first[1:-1]]
    return _unlabelled(lines) or _inline(lines[0], _FRAMES, _LABELS, from_start=True)


def _unheaded(text: str) -> tuple[str, ...]:
    """Options that end the text, one a line or in the last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    for frame in _PLAIN_FRAMES:
        for labels in _PLAIN_LABELS:
            first = _label(frame, labels[0])
            starts = [index for index, line in enumerate(lines) if first.match(line.strip())]
            if starts and len(options := _unlabelled(lines[starts[-1] :])) == len(lines) - starts[-1]:
                return options
    return _inline(lines[-1], _PLAIN_FRAMES[:1], _PLAIN_LABELS[:1]) if lines else ()


def _bulleted(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not (bullet := _BULLET.match(line)):
            return
        yield line[bullet.end() :].strip()


def _unlabelled(lines: Sequence[str]) -> tuple[str, ...]:
    """The texts of the leading lines that are labelled one after the other, in one style; empty if fewer than two are."""
    for frame in _FRAMES:
        for labels in _LABELS:
            options: list[str] = []
            for line, label in zip((line.strip() for line in lines if line.strip()), labels, strict=False):
                if not (match := _label(frame, label).match(line)) or not line[match.end() :].strip():
                    break
                options.append(line[match.end() :].strip())
            if len(options) > 1:
                return tuple(options)
    return ()


def _inline(
    line: str, frames: Sequence[str], alphabets: Sequence[Sequence[str]], from_start: bool = False
) -> tuple[str, ...]:
    """The options between labels in one line."""
    for frame in frames:
        for labels in alphabets:
            starts = [match.start() for match in _label(frame, labels[0]).finditer(line)]
            for start in [0] * (0 in starts) if from_start else reversed(starts):
                if len(options := tuple(_between(line[start:], frame, labels))) > 1 and all(options):
                    return options if from_start or all(len(option) <= _PROSE for option in options) else ()
    return ()


def _between(line: str, frame: str, labels: Sequence[str]) -> Iterator[str]:
    end = 0
    for label in labels:
        if not (match := _label(frame, label).search(line, end)):
            break
        if end:
            yield line[end : match.start()].strip(" \t,;")
        end = match.end()
    yield line[end:].strip(" \t,;")


@lru_cache(1000)
def _label(frame: str, label: str) -> re.Pattern[str]:
    return re.compile(r"(?<![^\s,;])" + frame.format(label))
