"""Reads the answer out of a reply: generous on form, strict on content.

A reply is read for what it says it answers. Nothing is inferred from its argument, and where it names two answers, it has
named none: a truncated or wandering reply is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from orca_benchmarks.items import Form, Space
from orca_benchmarks.reading.capital import first_capital
from orca_benchmarks.reading.numbers import read_number, value_of
from orca_benchmarks.reading.options import read_option
from orca_benchmarks.reading.reply import plain, reply_proper
from orca_benchmarks.reading.sequences import brackets_of, read_brackets, read_text, read_words, text_of, words_of
from orca_benchmarks.reading.words import read_word

__all__ = ["first_capital", "is_answer", "reaches", "read"]

_READERS: Final[Mapping[Form, Callable[[str, Space], str | None]]] = {
    "option": lambda text, space: read_option(text, space.options),
    "word": read_word,
    "number": lambda text, space: read_number(text),
    "words": lambda text, space: read_words(text),
    "brackets": lambda text, space: read_brackets(text),
    "text": lambda text, space: read_text(text),
}
_TARGETS: Final[Mapping[Form, Callable[[str], str | None]]] = {
    "option": lambda target: target.strip().strip("()"),
    "word": plain,
    "number": value_of,
    "words": words_of,
    "brackets": brackets_of,
    "text": text_of,
}


def read(reply: str, space: Space) -> str | None:
    """The answer of a reply in the form in which answers are compared; None if none can be read."""
    return _READERS[space.form](reply_proper(reply), space)


def reaches(answer: str | None, space: Space, targets: Sequence[str]) -> bool:
    """Whether an answer that was read is one of the targets."""
    return answer is not None and answer in {_TARGETS[space.form](target) for target in targets}


def is_answer(target: str, space: Space) -> bool:
    """Whether a target of the data is an answer of this space: one of its options, or of its form."""
    said = _TARGETS[space.form](target)
    if space.options:
        return said in {_TARGETS[space.form](label) for label in space.labels}
    return said is not None and (space.form != "number" or re.fullmatch(r"-?\d+(?:\.\d+)?", target.strip()) is not None)
