"""When a skill applies: a condition on the question's text, short enough for a model to write and for a person to check.

This is the router. It reads the query alone, so that it costs nothing and decides alike for every system message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orca_core.errors import did_you_mean

GRAMMAR: Final = (
    "`always`, or one to three of these tests joined by ` and `: `words >= N` (how long the question is), `numbers >= N` "
    "(how many numbers it holds), `digits >= N` (of its longest number), each with `>=` or `<=`, and `mentions WORD`"
)
ALWAYS: Final = "always"
MOST_TESTS: Final = 3
_NUMBER: Final = re.compile(r"\d+(?:,\d{3})*")
_WORD: Final = re.compile(r"[^\W\d_]+")
_COMPARISON: Final = re.compile(r"(\w+)\s*(>=|<=)\s*(\d{1,6})")
_MENTION: Final = re.compile(r"""mentions\s+(["'`]?)([^\W\d_]+)\1""")


def words(text: str) -> list[str]:
    """The words of a text in small letters, numbers left out."""
    return _WORD.findall(text.casefold())


MEASURES: Final[Mapping[str, Callable[[str], int]]] = {
    "words": lambda text: len(text.split()),
    "numbers": lambda text: len(_NUMBER.findall(text)),
    "digits": lambda text: max((len(number.replace(",", "")) for number in _NUMBER.findall(text)), default=0),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds where all of its tests do; without a test it always holds."""

    tests: tuple[str, ...] = ()
    """Each in its one spelling: ``digits >= 4``, ``mentions carry``."""

    def __call__(self, question: str) -> bool:
        return all(_holds(test, question) for test in self.tests)

    def __str__(self) -> str:
        return " and ".join(self.tests) or ALWAYS


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ValueError: it is none; says what is allowed.
    """
    if text.strip().casefold() == ALWAYS:
        return Condition()
    tests = tuple(_test(part.strip()) for part in re.split(r"\s+and\s+", text.strip()))
    if len(tests) > MOST_TESTS:
        raise ValueError(f"the condition has {len(tests)} tests; at most {MOST_TESTS}")
    return Condition(tests)


def _test(text: str) -> str:
    if match := _MENTION.fullmatch(text):
        return f"mentions {match[2].casefold()}"
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise ValueError(f"no condition: {text[:80]!r}; allowed is {GRAMMAR}")
    if match[1] not in MEASURES:
        raise ValueError(f"no measure of a question: {match[1]!r}{did_you_mean(match[1], MEASURES)}")
    return f"{match[1]} {match[2]} {int(match[3])}"


def _holds(test: str, question: str) -> bool:
    kind, *rest = test.split()
    if kind == "mentions":
        return rest[0] in words(question)
    value, bound = MEASURES[kind](question), int(rest[1])
    return value >= bound if rest[0] == ">=" else value <= bound
