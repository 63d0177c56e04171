"""Ways to pick a statement without reasoning. None of them may do better than chance on sound instances.

Each takes a problem and returns the candidate that it picks; ties go to the one that is listed first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orca_scalelogic.logic import Literal, Problem

Picker = Callable[[Problem], Literal]


def _mentions(problem: Problem, candidate: Literal) -> list[int]:
    """The places of the axioms that mention a candidate's property."""
    named = [[literal.property for literal in rule.literals] for rule in problem.axioms]
    return [place for place, names in enumerate(named) for name in names if name == candidate.property]


def _most(value: Callable[[Problem, Literal], float]) -> Picker:
    return lambda problem: max(problem.candidates, key=lambda candidate: value(problem, candidate))


def _premises(problem: Problem, candidate: Literal) -> int:
    """How many premises the rules have that lead to a candidate."""
    return sum(len(rule.premises) for rule in problem.axioms if candidate in rule.conclusions)


SHORTCUTS: Final[dict[str, Picker]] = {
    "first listed": lambda problem: problem.candidates[0],
    "last listed": lambda problem: problem.candidates[-1],
    "without 'not'": _most(lambda problem, candidate: candidate.positive),
    "with 'not'": _most(lambda problem, candidate: not candidate.positive),
    "most mentioned": _most(lambda problem, candidate: len(_mentions(problem, candidate))),
    "least mentioned": _most(lambda problem, candidate: -len(_mentions(problem, candidate))),
    "mentioned first": _most(lambda problem, candidate: -min(_mentions(problem, candidate))),
    "mentioned last": _most(lambda problem, candidate: max(_mentions(problem, candidate))),
    "most premises": _most(_premises),
    "fewest premises": _most(lambda problem, candidate: -_premises(problem, candidate)),
    "first in the alphabet": lambda problem: min(problem.candidates, key=lambda candidate: candidate.property),
}
"""Position, sign, counting, and the like."""


def one_rule_back(problem: Problem) -> Literal:
    """A single step of true reasoning, for comparison: a candidate whose rule has premises that something leads to.

    No shortcut: with depth 1 it is all there is to do, and the deeper the proof the less it tells.
    """
    reachable = {literal for rule in problem.axioms for literal in rule.conclusions}
    supported = {
        literal for rule in problem.axioms if reachable.issuperset(rule.premises) for literal in rule.conclusions
    }
    return next((candidate for candidate in problem.candidates if candidate in supported), problem.candidates[0])


def largest_component(problem: Problem) -> Literal:
    """The candidate that most axioms hang together with, for comparison: follows the whole graph, but no logic.

    No shortcut either: finding what hangs together takes as many steps as the proof, but it needs no word of the rules.
    """

    def size(candidate: Literal) -> int:
        names, left = {candidate.property}, list(problem.axioms)
        while near := [rule for rule in left if not names.isdisjoint(literal.property for literal in rule.literals)]:
            names |= {literal.property for rule in near for literal in rule.literals}
            left = [rule for rule in left if rule not in near]
        return len(problem.axioms) - len(left)

    return max(problem.candidates, key=size)


COMPARED: Final[dict[str, Picker]] = {"one rule back": one_rule_back, "largest component": largest_component}
"""What is no shortcut, but less than a proof."""
