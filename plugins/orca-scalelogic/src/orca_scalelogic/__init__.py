"""ScaleLogic: logic puzzles by proof depth and expressiveness, with a teacher that proves, a verifier and an evaluator.

After "Can RL Teach Long-Horizon Reasoning to LLMs? Expressiveness Is Key" (arXiv 2605.06638). The student ``grpo`` learns from
rewards, on these puzzles or any questions whose answers can be verified. Importing this package does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component, Context
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Evaluator, Responder, Sampler, Student, Verifier
from orca_scalelogic.evaluator import EVALUATOR
from orca_scalelogic.grpo.config import GrpoConfig, Levels
from orca_scalelogic.sampler import CURRICULUM, SAMPLER
from orca_scalelogic.teacher import TEACHER
from orca_scalelogic.verifier import VERIFIER

__all__ = ["CURRICULUM", "EVALUATOR", "GRPO", "SAMPLER", "TEACHER", "VERIFIER", "GrpoConfig", "Levels"]


def _build_grpo(config: GrpoConfig, context: Context) -> Student:
    from orca_scalelogic.grpo.student import GrpoStudent

    return GrpoStudent(config, context)


GRPO = Component[GrpoConfig, Student]("grpo", GrpoConfig, _build_grpo)


@hookimpl
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """All depths mixed, and depths that grow."""
    return [SAMPLER, CURRICULUM]


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The prover."""
    return [TEACHER]


@hookimpl
def orca_verifiers() -> Iterable[Component[Any, Verifier]]:
    """The released reward."""
    return [VERIFIER]


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """Held-out instances by depth and tier."""
    return [EVALUATOR]


@hookimpl
def orca_students() -> Iterable[Component[Any, Student]]:
    """Learning from rewards."""
    return [GRPO]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The curriculum over depth as phases, presets of the student, the experiments."""
    return ["pkg://orca_scalelogic.conf"]
