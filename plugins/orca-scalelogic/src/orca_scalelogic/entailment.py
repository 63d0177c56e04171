"""Does a statement follow? Checked from outside the construction, by unsatisfiability of `axioms and not statement`."""

from __future__ import annotations

from itertools import count
from types import TracebackType
from typing import Any, Final, Self

from orca_scalelogic.logic import Literal, Problem

SOLVER: Final = "minisat22"
"""MiniSat (MIT): the problems have tens of clauses, so what counts is how little a call costs."""


class Entailment:
    """The axioms of a problem in a SAT solver. A context manager, as the solver lives outside Python's memory.

    A ground rule with premises p and conclusions c is the clause (not p_1 or ... or c_1 or ...); axioms entail a literal if
    they are unsatisfiable together with its opposite.
    """

    def __init__(self, problem: Problem) -> None:
        from pysat.solvers import Solver

        self._numbers: dict[tuple[str, str], int] = {}
        self._free = count(1)
        self._solver: Any = Solver(name=SOLVER)
        for rule in problem.ground():
            self._solver.add_clause(
                [-self._number(p) for p in rule.premises] + [self._number(c) for c in rule.conclusions]
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._solver.delete()

    def consistent(self) -> bool:
        """Whether the axioms can all hold at once; otherwise they entail everything."""
        return bool(self._solver.solve())

    def entails(self, literal: Literal) -> bool:
        """Whether the literal holds whenever the axioms do."""
        return not self._solver.solve(assumptions=[-self._number(literal)])

    def _number(self, literal: Literal) -> int:
        """A literal as the solver has it: the number of its atom, negative for its opposite."""
        atom = (literal.property, literal.person)
        if atom not in self._numbers:
            self._numbers[atom] = next(self._free)
        return self._numbers[atom] if literal.positive else -self._numbers[atom]


def entailed(problem: Problem) -> tuple[Literal, ...] | None:
    """The candidates that follow from the axioms, in their order; None if the axioms contradict each other."""
    with Entailment(problem) as axioms:
        if not axioms.consistent():
            return None
        return tuple(candidate for candidate in problem.candidates if axioms.entails(candidate))
