"""Problems as notes: a fact as ``given calm.``, a rule as its words in a row, premises first (``calm dry brave.``).

What a rule leads to stands right behind what it goes by, as do the words of a proof. A small student that is trained from
scratch learns to look that up in minutes; across the words of a sentence it did not for as long as was tried (README).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from orca_scalelogic.logic import TIERS, Literal, Problem, Rule, Tier, fact
from orca_scalelogic.proofs import Step

SOMEBODY: Final = "It"
"""Whom notes are about, who is never named."""
GIVEN: Final = "given"
"""Begins a fact, so no property is called that."""
NOTED: Final[tuple[Tier, ...]] = TIERS[:3]
"""Notes have no words for "or" and "any"."""
_PROBLEM: Final = re.compile(r"Facts:((?: [a-z ]+\.)+)\nStatements:([a-z ,]+)\nWhich one follows\?")
_LITERAL: Final = re.compile(r" *(not )?([a-z]+)")


class Notes:
    """Implements :class:`orca_scalelogic.wording.Wording` for the tiers of :data:`NOTED`."""

    def literal(self, literal: Literal) -> str:
        """``not calm``."""
        return f"{'' if literal.positive else 'not '}{literal.property}"

    def rule(self, rule: Rule) -> str:
        """``given calm.``, or premises and conclusion in a row."""
        words = " ".join(map(self.literal, rule.literals))
        return f"{words}." if rule.premises else f"{GIVEN} {words}."

    def problem(self, problem: Problem) -> str:
        """The whole question."""
        axioms, candidates = map(self.rule, problem.axioms), map(self.literal, problem.candidates)
        return f"Facts: {' '.join(axioms)}\nStatements: {', '.join(candidates)}\nWhich one follows?"

    def proof(self, steps: Sequence[Step]) -> str:
        """The rules that are used, each as it stands in the question."""
        rules = (Rule(tuple(premise for (premise,) in step.sources), step.clause) for step in steps)
        return " ".join(["Proof:", *map(self.rule, rules)])

    def answer(self, gold: Literal) -> str:
        """The answer block. With blanks, so that its words are the same tokens as the question's."""
        return f"<answer> {self.literal(gold)} </answer>"

    def read(self, text: str) -> Problem | None:
        """The problem that a question states, None if it is not one of these."""
        if (found := _PROBLEM.fullmatch(text.strip())) is None:
            return None
        axioms = [_read_rule(note.strip()) for note in found[1].rstrip(".").split(".")]
        candidates = [_read_literals(note) for note in found[2].split(",")]
        if None in axioms or any(literals is None or len(literals) != 1 for literals in candidates):
            return None
        statements = tuple(literal for literals in candidates for literal in literals or ())
        return Problem(tuple(a for a in axioms if a), statements) if len({*statements}) == len(statements) else None


def _read_rule(note: str) -> Rule | None:
    literals = _read_literals(note.removeprefix(f"{GIVEN} "))
    if note.startswith(f"{GIVEN} "):
        return fact(literals[0]) if literals and len(literals) == 1 else None
    return Rule(literals[:-1], literals[-1:]) if literals and len(literals) > 1 else None


def _read_literals(text: str) -> tuple[Literal, ...] | None:
    """The literals that stand in a row; None if something else does."""
    found = [*_LITERAL.finditer(text)]
    whole = "".join(match[0] for match in found) == text.rstrip() and "not" not in {match[2] for match in found}
    return tuple(Literal(match[2], SOMEBODY, not match[1]) for match in found) if found and whole else None
