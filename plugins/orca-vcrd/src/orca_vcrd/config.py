"""What can be set about the student ``vcrd``, checked by pydantic; imports nothing heavy.

The paper's full text was not at hand: names and defaults are ours.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal, Self

from orca_lightning import LightningConfig
from pydantic import Field, field_validator, model_validator

from orca_core.component import part

SENTENCES = r"(?<=[.!?])\s+|\n+"


class VcrdConfig(LightningConfig):
    """Imitates each step of the teacher by how valid it is, beside the student's own next step (VCRD, arXiv 2605.04078)."""

    training: ClassVar[str] = "orca_vcrd.training:VcrdTraining"

    objective: Literal["vcrd", "sft", "steps", "traces"] = Field(
        default="vcrd",
        description="vcrd; sft: plain; steps: plain on the teacher's valid steps alone; traces: plain on answers all of whose "
        "steps are valid",
    )
    delimiter: str = Field(default=SENTENCES, description="regular expression; where it ends, a step of an answer ends")
    validity: Literal["answer", "mc", "symbolic", "judge", "likelihood"] = Field(
        default="answer",
        description="of a step: whether the answer, gone on with, reaches the target; the share of drawn continuations that do; "
        "what a verifier of steps says; a teacher's mark; how likely a teacher finds the student's step beside its own",
    )
    verifier: Any = part("verifier", default=None, description="validity=symbolic: judges an answer by its last step")
    teacher: Any = part("teacher", default=None, description="validity=judge|likelihood: who is asked")
    continuations: int = Field(default=4, ge=1, description="validity=mc: drawn from each step")
    continuation_temperature: float = Field(default=1.0, gt=0, le=2, description="validity=mc: they are drawn at")
    proposal_temperature: float = Field(
        default=0.0, ge=0, le=2, description="the student's own next steps are drawn at; 0: the likeliest tokens"
    )
    step_tokens: int = Field(default=64, ge=1, description="longest step of the student's own, in tokens")
    beta: float = Field(default=4.0, ge=0, description="how sharply the difference in validity counts; 0: not at all")
    gamma: float = Field(
        default=1.0, ge=0, description="power of the teacher's validity in the weight; 0: only the difference counts"
    )
    weight_clip: tuple[float, float] = Field(default=(0.0, 2.0), description="bounds of a step's weight")
    normalise: Literal["tokens", "weights"] = Field(
        default="tokens", description="the weighted loss is divided by the number of targets, or by the sum of weights"
    )
    refresh: int = Field(default=1, ge=1, description="optimizer steps for which the student's proposals serve")
    prefix_fraction: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of the steps beside which the student proposes one; others: no difference",
    )

    @field_validator("delimiter")
    @classmethod
    def _delimits(cls, delimiter: str) -> str:
        try:
            found = re.compile(delimiter)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if found.fullmatch(""):
            raise ValueError("matches the empty text: every letter would be a step")
        return delimiter

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.strategy != "single":
            raise ValueError("the student's own steps need the whole model on one device: strategy=single")
        if not 0 <= self.weight_clip[0] <= self.weight_clip[1]:
            raise ValueError(f"weight_clip: {list(self.weight_clip)} is not [low, high] with 0 <= low <= high")
        if self.objective == "sft":
            return self
        if self.validity == "symbolic" and self.verifier is None:
            raise ValueError("validity=symbolic needs a verifier of steps, e.g. verifier.name=chain-steps")
        if self.validity in ("judge", "likelihood") and self.teacher is None:
            raise ValueError(f"validity={self.validity} needs a teacher to ask, e.g. teacher.name=chatgpt")
        if self.validity == "likelihood" and self.objective != "vcrd":
            raise ValueError(
                f"objective={self.objective} asks whether the teacher's step is valid, which validity=likelihood takes for granted"
            )
        return self
