"""What is asked: an item of a task, and the space of its answers.

The space says which form an answer has; it is given by the task's description, never guessed from a target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Literal

Form = Literal["option", "word", "number", "words", "brackets", "text"]
"""A lettered option; one of a few words (yes/no); a number; a list of words in order; brackets; a free text."""


@dataclass(frozen=True, slots=True)
class Space:
    """The answers that an item can have."""

    form: Form
    options: tuple[str, ...] = ()
    """Texts of the lettered options, or the words themselves (``("Yes", "No")``)."""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Other phrases for a word of the options, in lower case."""

    @property
    def chance(self) -> float:
        """The accuracy of guessing uniformly: one by the number of options, 0 of a free answer."""
        return 1 / len(self.options) if self.options else 0.0

    @property
    def labels(self) -> tuple[str, ...]:
        """How the options are named in an answer: ``("(A)", "(B)")``, or the words."""
        return self.options if self.form == "word" else tuple(f"({letter})" for letter in self.letters)

    @property
    def letters(self) -> str:
        """One capital letter per option: ``"ABC"``."""
        return ascii_uppercase[: len(self.options)]


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its answer."""

    task: str
    question: str
    """Without its options."""
    space: Space
    targets: tuple[str, ...]
    """What counts as right, the published target first: ``(B)``, ``yes``, ``24``."""
    gold: int | None = None
    """Index of the right option, where there are options."""
    passage: str = ""
    shown: tuple[str, ...] = ()
    """The options as the data write them (``(A)5 miles``), where that differs from ``(A) text``."""
    published: str = ""
    """The whole question as the data write it, options included, where they do."""
    explanation: str = ""
    """The data's own solution, for worked exemplars."""
    meta: Mapping[str, str | int] = field(default_factory=dict)
    """Where it comes from."""


def lettered(options: tuple[str, ...], form: str = "({letter}) {text}") -> list[str]:
    """Options with their letters.

    Args:
        options: at most 26 texts.
        form: how a letter and its text are put together.
    """
    return [form.format(letter=letter, text=text) for letter, text in zip(ascii_uppercase, options, strict=False)]
