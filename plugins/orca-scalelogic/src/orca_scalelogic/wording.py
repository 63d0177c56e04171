"""The ways to put problems, proofs and answers into words, and back: teacher and verifier read what a student reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol
from typing import Literal as OneOf

from orca_scalelogic.logic import Literal, Problem, Rule
from orca_scalelogic.notes import Notes
from orca_scalelogic.proofs import Step
from orca_scalelogic.sentences import Sentences


class Wording(Protocol):
    """One way; what it says it can read back."""

    def literal(self, literal: Literal) -> str:
        """A statement, as candidates and targets are given."""
        ...

    def rule(self, rule: Rule) -> str:
        """A fact or a rule, full stop included."""
        ...

    def problem(self, problem: Problem) -> str:
        """The whole question, axioms and candidates in the problem's order."""
        ...

    def proof(self, steps: Sequence[Step]) -> str:
        """Derivations (no facts: those are cited where they are used), in order."""
        ...

    def answer(self, gold: Literal) -> str:
        """The answer block (:mod:`orca_scalelogic.answers`)."""
        ...

    def read(self, text: str) -> Problem | None:
        """The problem that a question states, None if it is not put in this way."""
        ...


WordingName = OneOf["sentences", "notes"]
WORDINGS: Final[dict[WordingName, Wording]] = {"sentences": Sentences(), "notes": Notes()}


def read_problem(text: str) -> tuple[Problem, Wording] | None:
    """The problem that a question states, and how it is put; None if it is not one of ours."""
    for wording in WORDINGS.values():
        if (problem := wording.read(text)) is not None:
            return problem, wording
    return None
