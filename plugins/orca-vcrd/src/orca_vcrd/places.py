"""Where student and teacher are held beside each other: a prefix of the teacher's answer, and the step that each takes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from orca_lightning.methods import Segmenter
from orca_lightning.methods.sequences import example, prompt_of
from orca_lightning.text.corpus import Corpus


class Step(NamedTuple):
    """A step of an answer."""

    tokens: tuple[int, ...]
    """Delimiter included, end token not; none if the answer ends instead of going on."""
    text: str
    ended: bool
    """Whether the answer ends with it."""


class Case(NamedTuple):
    """A step to be judged."""

    answer: int
    """Whose: the number of the teacher's answer in the training's corpus."""
    prefix: tuple[int, ...]
    """Prompt and answer before the step."""
    before: str
    """The answer before the step."""
    step: Step


class Place(NamedTuple):
    """The steps of teacher and student behind one prefix."""

    teacher: Case
    student: Case | None
    """None: the student was not asked, or has no room to go on."""


@dataclass(frozen=True)
class Cut:
    """The teacher's answer in steps."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    bounds: tuple[int, ...]
    """Where each step begins in the answer, and where its closing tokens do, ``[steps + 1]``."""
    cases: tuple[Case, ...]
    """A case of each step, ``[steps]``."""


def cut(corpus: Corpus, number: int, segmenter: Segmenter) -> Cut:
    """An answer of the corpus; of a conversation, the last one."""
    ids, _ = example(corpus, number)
    prompt = tuple(prompt_of(corpus, number))
    answer = tuple(ids[len(prompt) :])
    bounds = segmenter.bounds(answer)
    cases = [
        Case(
            number,
            prompt + answer[:first],
            segmenter.text(answer[:first]),
            Step(answer[first:last], segmenter.text(answer[first:last]), last == bounds[-1]),
        )
        for first, last in pairwise(bounds)
    ]
    return Cut(prompt, answer, tuple(bounds), tuple(cases))


def first_step(tokens: Sequence[int], ended: bool, segmenter: Segmenter) -> Step:
    """The first step of what a student went on with; ``ended``: whether that is all of it."""
    bounds = segmenter.bounds(tokens)
    own = tuple(tokens[: bounds[1]]) if len(bounds) > 1 else ()
    return Step(own, segmenter.text(own), ended and len(bounds) <= 2)
