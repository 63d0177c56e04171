"""A round: what the steps of the coming optimizer steps are worth, judged beside the student as it is at the first of them.

It is on the disk before anything is trained on it (:func:`orca_lightning.methods.kept`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from orca_lightning.methods import Segmenter, kept
from orca_lightning.methods.kept import Arrays
from orca_lightning.text.corpus import Corpus

from orca_core.errors import UserError
from orca_vcrd.checkers import Checker, Validity
from orca_vcrd.config import VcrdConfig
from orca_vcrd.places import Case, Place, cut
from orca_vcrd.policy import Policy
from orca_vcrd.weights import VALID, Floats, Ints, figures, weights_of


@dataclass(frozen=True)
class Round:
    """Validities of the steps of some answers."""

    answers: Ints
    """``[answers]``: their numbers in the training's corpus."""
    owner: Ints
    """``[steps]``: the place of each step's answer among these."""
    teacher: Floats
    """``[steps]``: validity of the teacher's step; NaN: nobody could tell."""
    student: Floats
    """``[steps]``: of the student's own behind the same prefix."""

    @cached_property
    def figures(self) -> dict[str, float]:
        """For the metrics."""
        return figures(self.teacher, self.student)


SOURCES: Final = ("valid", "invalid", "closing")
"""Where a weight goes: to a step of the teacher that is valid (or that nobody could judge), that is not, to what closes an answer."""


class Weighed(NamedTuple):
    """What the tokens of an answer count."""

    where: slice
    """In the corpus."""
    weights: Floats
    """``[tokens]``."""
    sources: Ints
    """``[tokens]``: places in :data:`SOURCES`."""


class Rounds:
    """Makes rounds, and says what each token counts.

    Args:
        path: of the directory that they are kept in.
        config: of the student.
        corpus: of the training.
        segmenter: cuts answers into steps.
        policy: the student, which proposes steps of its own.
        checker: tells how valid a step is.
        seed: of what is drawn.
    """

    def __init__(
        self,
        path: Path,
        config: VcrdConfig,
        corpus: Corpus,
        segmenter: Segmenter,
        policy: Policy,
        checker: Checker,
        seed: int,
    ) -> None:
        self.path, self.config, self.corpus = path, config, corpus
        self.policy, self.checker, self.seed = policy, checker, seed
        self.cut = lru_cache(maxsize=4096)(lambda number: cut(corpus, number, segmenter))

    def at(self, first: int, answers: Ints) -> Round:
        """The round that begins at a step, made if it is not there."""
        return Round(**kept(self.path / f"{first:08d}.npz", lambda: self._made(first, answers)))

    def weighed(self, found: Round) -> Iterator[Weighed]:
        """What the tokens of each answer of a round count."""
        steps, closing = weights_of(self.config, found.teacher, found.student, found.owner, len(found.answers))
        for place, number in enumerate(found.answers.tolist()):
            of, own = self.cut(number), found.owner == place
            lengths = [*np.diff(of.bounds), len(of.answer) - of.bounds[-1]]
            sources = np.append(np.where(found.teacher[own] < VALID, 1, 0), 2)
            end = int(self.corpus.starts[number + 1])
            yield Weighed(
                slice(end - len(of.answer), end),
                np.repeat(np.append(steps[own], closing[place]), lengths),
                np.repeat(sources, lengths),
            )

    def _made(self, first: int, answers: Ints) -> Arrays:
        cuts = [self.cut(number) for number in answers.tolist()]
        cases = [case for of in cuts for case in of.cases]
        found = self.checker.check(self._places(first, cases)) if cases else list[Validity]()
        teacher, student = (np.array([pair[i] for pair in found], dtype=np.float64) for i in (0, 1))
        if len(teacher) and np.isnan(teacher).all():
            raise UserError(
                f"student.validity={self.config.validity}: of {len(teacher)} steps, none could be judged; the first is "
                f"{cases[0].step.text!r}, of {self.policy.segmenter.text(cases[0].prefix)[-200:]!r}"
            )
        owner = np.repeat(np.arange(len(cuts)), [len(of.cases) for of in cuts])
        return {"answers": answers, "owner": owner, "teacher": teacher, "student": student}

    def _places(self, first: int, cases: Sequence[Case]) -> list[Place]:
        """The student proposes a step beside a part of the teacher's; beside none if the objective does not ask for them."""
        share = self.config.prefix_fraction if self.config.objective == "vcrd" else 0.0
        chosen = np.random.default_rng([self.seed, first]).random(len(cases)) < share
        asked = [case for case, wanted in zip(cases, chosen.tolist(), strict=True) if wanted]
        seeds = [[self.seed, first, case.answer, len(case.prefix)] for case in asked]
        own = iter(self.policy.places(asked, seeds))
        return [next(own) if wanted else Place(case, None) for case, wanted in zip(cases, chosen.tolist(), strict=True)]
