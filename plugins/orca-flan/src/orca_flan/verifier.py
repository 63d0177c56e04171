"""The verifier ``flan``: gold targets that are one of several, or one of many.

A query of FLAN may have several gold targets (``meta["targets"]``), a target may explain before it names an option, and one
that is a whole sentence is one of many answers that are as good: to differ from it is not to be wrong. Sources name this
verifier where that is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from orca_core.component import Component, Config
from orca_core.protocols import Verifier
from orca_core.records import Query
from orca_core.verify import AnswerVerifier, stated_option

MAX_WORDS: Final = 6
MAX_CHARS: Final = 60
"""A longer text without options to choose from, as a question, is a formulation and not a fact."""


def is_open(target: str, choices: Sequence[str]) -> bool:
    """Whether a query's answers cannot be told right from wrong by comparing them with its target."""
    if choices:
        return False
    return len(target) > MAX_CHARS or len(target.split()) > MAX_WORDS or target.rstrip().endswith("?")


class FlanAnswerConfig(Config):
    """As `answer`, for each of several gold targets; gives no verdict on an answer that is not a long target word for word."""


class FlanVerifier:
    """Right if it reaches any of the targets; otherwise wrong, unless one of them is open."""

    def __init__(self) -> None:
        self._answer = AnswerVerifier()

    def verify(self, query: Query, text: str) -> bool | None:
        if query.target is None:
            return None
        targets = [_named(target, query.choices) for target in (query.target, *query.meta.get("targets", ()))]
        if any(self._answer.verify(replace(query, target=target), text) for target in targets):
            return True
        return None if any(is_open(target, query.choices) for target in targets) else False


def _named(target: str, choices: Sequence[str]) -> str:
    """The letter of the option that a target comes to, which FLAN may have explained first."""
    index = stated_option(target, choices)
    return target if index is None else f"({chr(ord('A') + index)})"


FLAN_ANSWER: Final = Component[FlanAnswerConfig, Verifier](
    "flan", FlanAnswerConfig, lambda config, context: FlanVerifier()
)
