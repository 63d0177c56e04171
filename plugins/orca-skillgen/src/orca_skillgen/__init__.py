"""orca-skillgen: a teacher with a skill that was written from its own successes and failures, and verified (SkillGen)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core import Component, Evaluator, Responder, Sampler, hookimpl
from orca_skillgen.evaluator import REPAIRS
from orca_skillgen.rules import RULES
from orca_skillgen.simulated.adder import HASTY_ADDER
from orca_skillgen.simulated.placebo import PLACEBO
from orca_skillgen.simulated.sums import COLUMN_SUMS
from orca_skillgen.teacher import SKILLED


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The teacher with a skill, the offline writers, and a simulated teacher that can use a skill."""
    return [SKILLED, RULES, PLACEBO, HASTY_ADDER]


@hookimpl
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """The simulated teacher's questions."""
    return [COLUMN_SUMS]


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """Repairs and regressions."""
    return [REPAIRS]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The experiment and its choices of a skill."""
    return ["pkg://orca_skillgen.conf"]
