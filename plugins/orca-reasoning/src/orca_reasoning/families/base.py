"""What a family of questions is: a generator, a solver that reads the question's text, and the form of its answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

TRUTH = ("True", "False")
YES_NO = ("Yes", "No")

_OPTION = re.compile(r"^\(([A-Z])\) (.+)$", re.MULTILINE)
_FINAL = re.compile(r"\banswer is:?\s*(.*?)(?:\.\s|$)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Item:
    """A generated question and its answer, the latter known from how the question was made."""

    text: str
    target: str


@dataclass(frozen=True, slots=True)
class Solution:
    """A worked question: the answer, every step on the way to it as a sentence, and a justification in a sentence or two."""

    answer: str
    steps: tuple[str, ...]
    brief: str


@dataclass(frozen=True)
class Family:
    """One kind of question, named after the BIG-Bench Hard file whose text format it shares.

    ``generate(rng, size)`` makes an item; ``size`` is the difficulty dial, whose unit is ``dial``. ``solve(text)`` works a
    question out, or returns None if the text is not of this family. ``choices(text)`` lists the possible answers, none for
    a free-form one, which then has to match ``form``.
    """

    name: str
    dial: str
    sizes: tuple[int, int]
    """The sizes asked for if nothing else is said; BIG-Bench Hard's own are among them."""
    limits: tuple[int, int]
    generate: Callable[[Random, int], Item]
    solve: Callable[[str], Solution | None]
    choices: Callable[[str], tuple[str, ...]] = lambda text: ()
    form: str = r"-?\d+"
    ignore: str = ""
    """Characters of an answer that do not count when it is compared."""

    def chance(self, text: str) -> float:
        """The accuracy of guessing: one by the number of choices, 0 for a free-form answer."""
        choices = self.choices(text)
        return 1 / len(choices) if choices else 0.0

    def normalise(self, answer: str) -> str:
        """The form in which two answers are compared."""
        return " ".join(answer.casefold().translate({ord(c): None for c in self.ignore}).split())

    def extract(self, text: str, response: str) -> str | None:
        """The answer that a response to the question ``text`` ends in, normalised; None if it is not of the right form."""
        found = _FINAL.findall(response)
        answer = self.normalise(re.sub(r"^[\s*\"'`]+|[\s*\"'`.]+$", "", found[-1])) if found else ""
        return answer if self.is_answer(text, answer) else None

    def is_answer(self, text: str, answer: str) -> bool:
        """Whether an answer has the right form: one of the choices, or free-form of the family's kind."""
        choices, answer = self.choices(text), self.normalise(answer)
        if choices:
            return answer in map(self.normalise, choices)
        return re.fullmatch(self.form, answer) is not None

    def verify(self, text: str, response: str, target: str) -> bool:
        """Whether the response ends in the target: exact match after normalisation."""
        return self.extract(text, response) == self.normalise(target)


def final_sentence(answer: str) -> str:
    """How every response ends: what :meth:`Family.extract` reads."""
    return f"The answer is {answer}."


def options(text: str) -> dict[str, str]:
    """The options of a multiple-choice question in BIG-Bench Hard's form: ``{"(A)": "Ulysses", ...}``."""
    return {f"({letter})": value for letter, value in _OPTION.findall(text)}


def option_labels(text: str) -> tuple[str, ...]:
    """The labels of a question's options: ``("(A)", "(B)", ...)``."""
    return tuple(options(text))


def option_block(values: list[str]) -> str:
    """The lines ``Options:``, ``(A) ...``, ``(B) ...`` that end a multiple-choice question."""
    return "\n".join(["Options:", *(f"({chr(ord('A') + i)}) {value}" for i, value in enumerate(values))])


def listing(values: list[str]) -> str:
    """Values as BIG-Bench Hard lists them: ``a, b, and c``; a single one stands alone."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])}, and {values[-1]}"
