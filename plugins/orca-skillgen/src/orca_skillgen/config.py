"""The options of ``teacher=skilled``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from orca_core import Config, part


class SkilledConfig(Config):
    """Another teacher with a skill: advice written from its own successes and failures, kept only if it is shown to help."""

    of: Any = part("teacher", description="the teacher that answers, with the skill and, to compare, without")
    writer: Any = part(
        "teacher", {"name": "skill-rules"}, description="who writes the skill: any teacher, or the offline skill-rules"
    )
    train: Any = part("sampler", description="questions with gold answers, to learn the skill from and to test it on")
    induce: int = Field(240, ge=20, description="questions whose answers the skill is written from")
    verify: int = Field(120, ge=20, description="other questions, on which each version is tried")
    fresh: int = Field(240, ge=20, description="yet other questions, for the final test of the version that passed")
    rounds: int = Field(4, ge=1, description="versions of the skill that are tried at most")
    gate: Literal["exact", "released", "none"] = Field(
        "exact",
        description="exact: the net rule, a limit on regressions, and McNemar's test on fresh questions; released: the net rule "
        "alone, as the authors' code has it; none: the first version is used untested",
    )
    min_gain: float = Field(0.05, ge=0, le=1, description="net repairs wanted, as a share of the questions")
    max_regression: float = Field(
        0.05, ge=0, le=1, description="share of the answers right without the skill that it may make wrong"
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="level of the final one-sided test")

    @property
    def questions(self) -> int:
        """How many training questions are drawn; the gate does not matter, so that the same ones go to each."""
        return self.induce + self.verify + self.fresh

    @property
    def most_asked(self) -> int:
        """How many prompts the teacher answers at most until it has its skill."""
        tried = 0 if self.gate == "none" else (1 + self.rounds) * self.verify
        return self.induce + tried + (2 * self.fresh if self.gate == "exact" else 0)
