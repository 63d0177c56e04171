"""The embedded task bank: generated questions in BIG-Bench Hard's text formats, a solver that explains, and an evaluator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Evaluator, Responder, Sampler, Verifier
from orca_reasoning.chains import CHAIN_STEPS, CHAINS, CHAINS_EVALUATOR, REDUCER
from orca_reasoning.evaluator import EVALUATOR
from orca_reasoning.sampler import SAMPLER
from orca_reasoning.solver import SOLVER, SOLVER_BRIEF
from orca_reasoning.verifier import VERIFIER


@hookimpl
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """Generated questions, and chains of digits."""
    return [SAMPLER, CHAINS]


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The solver in both roles, and the one who reduces chains."""
    return [SOLVER, SOLVER_BRIEF, REDUCER]


@hookimpl
def orca_verifiers() -> Iterable[Component[Any, Verifier]]:
    """The families' own rules, and that of a chain's steps."""
    return [VERIFIER, CHAIN_STEPS]


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """Held-out questions, real BIG-Bench Hard, and held-out chains."""
    return [EVALUATOR, CHAINS_EVALUATOR]
