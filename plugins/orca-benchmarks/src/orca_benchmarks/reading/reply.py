"""The parts of a reply that every reader needs: where it ends, what it states, its lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_THOUGHT: Final = re.compile(r".*</think>", re.DOTALL)
_RUN_ON: Final = re.compile(
    r"\n\s*\n\s*(?:Q|A|Question|Input|Problem)\s*:|\n(?:Q|Human|User)\s*:|\n#+ ?(?:Human|User|Instruction|System)\b|<\|"
)
"""Where a model goes on to the next question, or to the next turn."""
_STATED: Final = re.compile(
    r"""
    \b(?:answers?|(?:correct|right|best|final|sarcastic|only\s\w+)\s(?:option|choice|statement|sentence))\b
    (?:\s+(?:choice|option|key|letter))?
    (?:\s+(?:to|for|of)\s[^.:\n]{1,60}?)?
    (?:,[^,.:\n]{1,30},)?
    (?:
        [\s*_]*(?:\bis|\bare|\bwas|(?:\bwould|\bshould|\bmust|\bwill|\bcan\sonly)[\s*_]+be)\b
        (?:[\s*_]+(?:therefore|thus|hence|then|clearly|simply|definitely|probably|likely|most\slikely|indeed)\b)*
        [\s*_,]*:?
    |
        [\s*_]*[:=]
    )
    [ \t*_]*
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BOXED: Final = re.compile(
    r"\\boxed\s*\{\s*(?:\\(?:text|textbf|mathrm)\s*\{)?([^{}]*)\}|^\s*####[ \t]*(.+)$", re.MULTILINE
)
_SENTENCE_END: Final = re.compile(r"[.!?][*_\"')\]]*(?:\s|$)")


def reply_proper(text: str) -> str:
    """A reply without hidden thoughts before it and without the further questions that a base model runs on with."""
    text = _THOUGHT.sub("", text).strip()
    stop = _RUN_ON.search(text)
    return text[: stop.start()].rstrip() if stop else text


def statements(text: str) -> Iterator[str]:
    """What follows the words that state an answer (``the answer is``, ``Answer:``, a box), the last place first.

    Of each, everything to the end of the reply: how far an answer reaches depends on its form.
    """
    starts = [match.end() for match in _STATED.finditer(text)]
    yield from (text[start:].strip() for start in reversed(starts))
    yield from ((match[1] or match[2] or "").strip() for match in reversed(list(_BOXED.finditer(text))))


def first_line(text: str) -> str:
    """The first line that is not blank."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(text: str) -> str:
    """The last line that is not blank."""
    return first_line("\n".join(reversed(text.splitlines())))


def first_sentence(text: str) -> str:
    """The first sentence of the first line, without its full stop. A decimal point ends none."""
    line = first_line(text)
    end = _SENTENCE_END.search(line)
    return line[: end.start()] if end else line


def plain(text: str) -> str:
    """A text as it is compared: case, runs of blanks and outer punctuation do not count."""
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'`*_()[]{}")
