"""The texts that are asked: the paper's form, plain questions, worked exemplars, chains of thought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orca_benchmarks.items import Form, Item, lettered

STEPS: Final = "Let's think step by step."
"""Kojima et al. 2022."""
NEXT_QUESTION: Final = "\n\nQ:"
"""Where the answer to a question among exemplars ends."""
_ENDINGS: Final[dict[Form, str]] = {
    "option": "the answer is (X).",
    "word": "the answer is X.",
    "number": "the answer is N.",
    "words": "the answer is WORD WORD ...",
    "brackets": "the answer is ...",
    "text": "the answer is ...",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How the robust protocol asks."""

    exemplars: tuple[Item, ...] = ()
    """Of the same task, answered in front of the question."""
    worked: str = ""
    """Exemplars that were written out already (BIG-Bench Hard's own chains of thought)."""
    steps: bool = False
    """Whether a chain of thought is asked for."""


def paper(item: Item) -> str:
    """The Orca paper's prompt, which is AGIEval's zero-shot form: the answer's beginning is given.

    ``{passage}Q: {question} Answer Choices: {options}``, then on a line ``A: Among A through {X}, the answer is``. The options
    are written as the data write them, or as ``(A) text``; those of a yes/no question are lettered too.
    """
    options = item.shown or lettered(item.space.options)
    last = item.space.letters[-1]
    return f"{item.passage}Q: {item.question} Answer Choices: {' '.join(options)}\nA: Among A through {last}, the answer is"


def question(item: Item, *, options: bool = True) -> str:
    """The question as its data write it; otherwise the passage, the question and a line per option."""
    if options and item.published:
        return item.published
    parts = [item.passage] * bool(item.passage) + [item.question]
    text = "\n\n".join(parts)
    return "\n".join([text, "Options:", *lettered(item.space.options)]) if options and item.space.options else text


def styled(item: Item, style: Style) -> str:
    """The question in the robust protocol's form, which ends where the answer begins."""
    if style.worked:
        return f"{style.worked}\n\nQ: {question(item)}\nA: {STEPS}\n"
    if style.exemplars:
        answered = [f"Q: {question(shown)}\nA: {_answer(shown, style.steps)}" for shown in style.exemplars]
        return "\n\n".join([*answered, f"Q: {question(item)}\nA:{f' {STEPS}' if style.steps else ''}"])
    if style.steps:
        return f"{question(item)}\n\n{STEPS} End with: {_ENDINGS[item.space.form]}"
    return question(item)


def stops(style: Style) -> list[str]:
    """Where an answer in this style ends at the latest."""
    return [NEXT_QUESTION] if style.exemplars or style.worked else []


def unexplained(exemplars: Sequence[Item]) -> Item | None:
    """The first of the items that cannot be an exemplar of a chain of thought, as its data tell no solution."""
    return next((item for item in exemplars if not item.explanation), None)


def _answer(item: Item, steps: bool) -> str:
    return f"{STEPS}\n{item.explanation} So the answer is {item.targets[0]}." if steps else item.targets[0]
