"""Problems and answers as text, and back: teacher and verifier read what a student reads.

The sentences are the released verbaliser's ("If Alice is qwert and Alice is not zxcvb, then Alice is asdfg."), the frame around
them is shorter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

from orca_scalelogic.logic import VARIABLE, Literal, Problem, Rule, fact

T = TypeVar("T")

_FACTS, _STATEMENTS = "Facts:", "Statements:"
_QUESTION: Final = "Exactly one statement follows from the facts. Which one? Reply <answer>statement</answer>."
_LITERAL: Final = re.compile(r"([A-Za-z]+) is (not )?([a-z]+)")
_ANSWER: Final = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def literal_text(literal: Literal) -> str:
    """``Alice is not qwert``, without a full stop."""
    return f"{literal.person} is {'' if literal.positive else 'not '}{literal.property}"


def rule_text(rule: Rule) -> str:
    """A fact or a rule as a sentence, full stop included."""
    conclusions = " or ".join(map(literal_text, rule.conclusions))
    if not rule.premises:
        return f"{conclusions}."
    whom, head = ("For any X, ", "if") if rule.universal else ("", "If")
    return f"{whom}{head} {' and '.join(map(literal_text, rule.premises))}, then {conclusions}."


def problem_text(problem: Problem) -> str:
    """The whole question, axioms and candidates in the problem's order."""
    axioms = " ".join(map(rule_text, problem.axioms))
    return "\n".join([f"{_FACTS} {axioms}", _STATEMENTS, *map(literal_text, problem.candidates), _QUESTION])


def shuffled(rng: Random, problem: Problem) -> Problem:
    """The same problem with its axioms, and its candidates, in random order."""
    return Problem(_permuted(rng, problem.axioms), _permuted(rng, problem.candidates))


def _permuted(rng: Random, items: Sequence[T]) -> tuple[T, ...]:
    return tuple(rng.sample(items, len(items)))


def read_literal(text: str) -> Literal | None:
    """The literal that a text is, None if it is none."""
    found = _LITERAL.fullmatch(" ".join(text.split()).rstrip("."))
    return Literal(found[3], found[1], not found[2]) if found else None


def read_problem(text: str) -> Problem | None:
    """The problem that a question states, None if it is not one of ours."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 5 or not lines[0].startswith(f"{_FACTS} ") or lines[1] != _STATEMENTS or lines[-1] != _QUESTION:
        return None
    axioms = [_read_rule(sentence) for sentence in lines[0].removeprefix(_FACTS).strip().rstrip(".").split(". ")]
    candidates = [read_literal(line) for line in lines[2:-1]]
    if None in axioms or None in candidates or len({*candidates}) < len(candidates):
        return None
    return Problem(tuple(a for a in axioms if a), tuple(c for c in candidates if c))


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


def answer_text(literal: Literal) -> str:
    """How a response states its answer."""
    return f"<answer>{literal_text(literal)}</answer>"


def stated(response: str) -> str | None:
    """What a response states in its only answer block; None if it has none or several (the released reward's condition)."""
    found = _ANSWER.findall(response)
    if len(found) != 1 or response.count("<answer>") != 1 or response.count("</answer>") != 1:
        return None
    return " ".join(found[0].split()).rstrip(".").casefold() or None


def rewarded(response: str, target: str) -> bool:
    """The released reward: exactly one well-formed answer block, and its text is the gold statement's."""
    return stated(response) == " ".join(target.split()).casefold()
