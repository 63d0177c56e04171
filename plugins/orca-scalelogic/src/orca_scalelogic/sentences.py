"""Problems as sentences: the released verbaliser's ("If Alice is qwert and Alice is not zxcvb, then Alice is asdfg."), in a
shorter frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from orca_scalelogic.logic import VARIABLE, Literal, Problem, Rule, fact
from orca_scalelogic.proofs import Clause, Step

_FACTS, _STATEMENTS = "Facts:", "Statements:"
_QUESTION: Final = "Exactly one statement follows from the facts. Which one? Reply <answer>statement</answer>."
_LITERAL: Final = re.compile(r"([A-Za-z]+) is (not )?([a-z]+)")


class Sentences:
    """Implements :class:`orca_scalelogic.wording.Wording`: everything can be said, about persons by name."""

    def literal(self, literal: Literal) -> str:
        """``Alice is not qwert``, without a full stop."""
        return f"{literal.person} is {'' if literal.positive else 'not '}{literal.property}"

    def rule(self, rule: Rule) -> str:
        """A fact or a rule as a sentence, full stop included."""
        conclusions = " or ".join(map(self.literal, rule.conclusions))
        if not rule.premises:
            return f"{conclusions}."
        whom, head = ("For any X, ", "if") if rule.universal else ("", "If")
        return f"{whom}{head} {' and '.join(map(self.literal, rule.premises))}, then {conclusions}."

    def problem(self, problem: Problem) -> str:
        """The whole question, a statement a line."""
        axioms = " ".join(map(self.rule, problem.axioms))
        return "\n".join([f"{_FACTS} {axioms}", _STATEMENTS, *map(self.literal, problem.candidates), _QUESTION])

    def proof(self, steps: Sequence[Step]) -> str:
        """A sentence a line for each derived statement: what it uses, and in the end what it derives."""
        return "\n".join(map(self._line, steps))

    def answer(self, gold: Literal) -> str:
        """The answer block."""
        return f"<answer>{self.literal(gold)}</answer>"

    def read(self, text: str) -> Problem | None:
        """The problem that a question states, None if it is not one of these."""
        lines = [line.strip() for line in text.strip().splitlines()]
        if len(lines) < 5 or not lines[0].startswith(f"{_FACTS} ") or lines[1] != _STATEMENTS or lines[-1] != _QUESTION:
            return None
        axioms = [_read_rule(sentence) for sentence in lines[0].removeprefix(_FACTS).strip().rstrip(".").split(". ")]
        candidates = [read_literal(line) for line in lines[2:-1]]
        if None in axioms or None in candidates or len({*candidates}) < len(candidates):
            return None
        return Problem(tuple(a for a in axioms if a), tuple(c for c in candidates if c))

    def _line(self, step: Step) -> str:
        first, *rest = map(self._clause, step.sources)
        derived = self._clause(step.clause)
        if step.kind == "refuted":
            return f"{first}, but {rest[0]}, so {derived}."
        if step.kind == "cases":
            return f"{' and '.join([first, *rest])}, so either way {derived}."
        return f"{' and '.join([first, *rest])}, so {derived}."

    def _clause(self, clause: Clause) -> str:
        return " or ".join(map(self.literal, clause))


def read_literal(text: str) -> Literal | None:
    """The literal that a text is, None if it is none."""
    found = _LITERAL.fullmatch(" ".join(text.split()).rstrip("."))
    return Literal(found[3], found[1], not found[2]) if found else None


def _read_rule(sentence: str) -> Rule | None:
    universal = sentence.startswith("For any X, ")
    body = sentence.removeprefix("For any X, ")
    if not body.startswith("if " if universal else "If "):
        literal = None if universal else read_literal(sentence)
        return fact(literal) if literal and literal.person != VARIABLE else None
    head, then, tail = body[3:].partition(", then ")
    premises, conclusions = _literals(head, " and "), _literals(tail, " or ")
    if not then or premises is None or conclusions is None:
        return None
    about_anyone = {literal.person == VARIABLE for literal in (*premises, *conclusions)}
    return Rule(premises, conclusions) if about_anyone == {universal} else None


def _literals(text: str, joint: str) -> tuple[Literal, ...] | None:
    literals = [read_literal(part) for part in text.split(joint)]
    return None if None in literals else tuple(literal for literal in literals if literal)
