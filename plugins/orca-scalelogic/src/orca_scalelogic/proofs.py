"""Proofs of a statement, as a person would give them: every step derives one statement from few earlier ones.

Three rules of inference, which are what the construction of the trees needs (tests hold that against the SAT solver):

- a rule whose premises are all there gives its conclusion, or its disjunction;
- a disjunction and the opposite of one disjunct give the other (disjunctive syllogism);
- a disjunction, both of whose disjuncts lead to the same conclusion, gives that (cases).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal as OneOf
from typing import NamedTuple

from orca_scalelogic.logic import Literal, Problem, Rule

Clause = tuple[Literal, ...]
"""One literal that holds, or two of which one does, in alphabetical order."""


class Step(NamedTuple):
    """A clause, and what it was derived from by which rule of inference."""

    kind: OneOf["fact", "rule", "refuted", "cases"]
    clause: Clause
    sources: tuple[Clause, ...]


def prove(problem: Problem) -> tuple[Literal, tuple[Step, ...]] | None:
    """The first candidate to be derived, with the steps that it needs, each after those it builds upon; None: none is.

    Derives round by round, so the proof is a shallowest one.
    """
    rules = list(problem.ground())
    known: dict[Clause, Step] = {}
    while True:
        for candidate in problem.candidates:
            if (candidate,) in known:
                return candidate, tuple(_needed(known, (candidate,)))
        found = {step.clause: step for step in _round(rules, known) if step.clause not in known}
        if not found:
            return None
        known |= found


def _clause(*literals: Literal) -> Clause:
    return tuple(sorted(set(literals)))


def _round(rules: list[Rule], known: dict[Clause, Step]) -> Iterator[Step]:
    """What one inference gives from what is known."""
    for rule in rules:
        if all((premise,) in known for premise in rule.premises):
            sources = tuple((premise,) for premise in rule.premises)
            yield Step("rule" if rule.premises else "fact", _clause(*rule.conclusions), sources)
    for clause in known:
        if len(clause) == 2:
            yield from _from_disjunction(clause, rules, known)


def _from_disjunction(clause: Clause, rules: list[Rule], known: dict[Clause, Step]) -> Iterator[Step]:
    for one, other in (clause, clause[::-1]):
        if (refuted := (one.negated(),)) in known:
            yield Step("refuted", (other,), (clause, refuted))
    first, second = (dict(_if_it_held(literal, rules, known)) for literal in clause)
    for conclusion in first.keys() & second.keys():
        rest = dict.fromkeys(first[conclusion] + second[conclusion])
        yield Step("cases", conclusion, (clause, *rest))


def _if_it_held(
    literal: Literal, rules: list[Rule], known: dict[Clause, Step]
) -> Iterator[tuple[Clause, tuple[Clause, ...]]]:
    """The conclusions of rules that lack this premise alone, and their other premises."""
    for rule in rules:
        rest = tuple((premise,) for premise in rule.premises if premise != literal)
        if literal in rule.premises and all(clause in known for clause in rest):
            yield _clause(*rule.conclusions), rest


def _needed(known: dict[Clause, Step], goal: Clause) -> Iterator[Step]:
    """The steps below a clause, sources first, each once."""
    done: set[Clause] = set()
    stack = [(goal, False)]
    while stack:
        clause, ready = stack.pop()
        if clause in done:
            continue
        if ready:
            done.add(clause)
            yield known[clause]
        else:
            stack.append((clause, True))
            stack += [(source, False) for source in reversed(known[clause].sources)]


def depth_of(steps: tuple[Step, ...]) -> int:
    """How many rules lie in a row on a proof's longest branch: the depth that its tree was grown to.

    A refutation adds none: it settles a disjunction at the level of the rule that gave it.
    """
    depths: dict[Clause, int] = {}
    for step in steps:
        below = max((depths[source] for source in step.sources), default=0)
        depths[step.clause] = below + (step.kind in ("rule", "cases"))
    return max(depths.values(), default=0)
