"""Invariant Gradient Alignment (after arXiv 2606.05025): updates are damped where the gradients of several domains disagree.

Importing this package imports neither torch nor transformers nor lightning: they are loaded when a student is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component, Context
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Evaluator, Responder, Sampler, Student
from orca_iga.config import IgaConfig
from orca_iga.evaluator import EVALUATOR
from orca_iga.isomers import SAMPLER, SOLVER

__all__ = ["EVALUATOR", "IGA", "SAMPLER", "SOLVER", "IgaConfig"]


def _build(config: IgaConfig, context: Context) -> Student:
    from orca_iga.student import IgaStudent

    return IgaStudent(config, context)


IGA = Component[IgaConfig, Student]("iga", IgaConfig, _build)


@hookimpl
def orca_students() -> Iterable[Component[Any, Student]]:
    """The student ``iga``."""
    return [IGA]


@hookimpl
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """Logical isomer sets with a shortcut, for the experiment."""
    return [SAMPLER]


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """Who solves them, and pays no heed to the shortcut."""
    return [SOLVER]


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """Accuracy with and without the shortcut and in held-out domains, their gap, and logical consistency."""
    return [EVALUATOR]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The preset ``student=iga-tiny`` and the experiment ``citing/iga``."""
    return ["pkg://orca_iga.conf"]
