"""What can be set about the student ``grpo``, checked by pydantic; imports nothing heavy."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from orca_lightning import LightningConfig
from pydantic import Field, model_validator

from orca_core.component import Config


class Levels(Config):
    """Only questions up to a depth (their ``meta["depth"]``), which grows whenever 70 % of the answers within it are right."""

    start: int = Field(1, ge=1, description="greatest depth at first (released settings: 6)")
    step: int = Field(1, ge=1, description="by how much it grows (released settings: 2)")


class GrpoConfig(LightningConfig):
    """Learns from rewards for its own answers (GRPO with DAPO's clipping), from where the phase before left the student.

    ``batch_rows`` is the number of questions of a step. The teacher's answers are not looked at, their queries' targets are.
    """

    training: ClassVar[str] = "orca_scalelogic.grpo.training:GrpoTraining"

    objective: Literal["grpo", "sft"] = Field(
        "grpo", description="grpo: rewards; sft: the teacher's answers, in steps of as many questions, measured alike"
    )
    group: int = Field(
        8, ge=2, description="answers to a question, drawn at temperature 1 and compared with each other"
    )
    refresh: int = Field(4, ge=1, description="optimizer steps that share a round of answers; 1: always on policy")
    clip: tuple[float, float] = Field(
        (0.2, 0.28), description="how far a token's probability counts below and above what it was when drawn"
    )
    kl_weight: float = Field(0.0, ge=0, description="of a penalty on leaving the model that the phase began with")
    levels: Levels | None = Field(None, description="curriculum over depth; null: all questions from the first step on")
    target: float | None = Field(
        None, gt=0, le=1, description="accuracy on held-out questions at which training ends; null: never"
    )

    @model_validator(mode="after")
    def _supported(self) -> Self:
        if self.strategy != "single":
            raise ValueError("answers are drawn by the whole model on one device: strategy=single")
        if self.lora is not None and self.lora.dropout:
            raise ValueError("with lora.dropout, a token's probability is not what it was when drawn: set it to 0")
        if self.token_budget is not None:
            raise ValueError(
                "token_budget: nobody knows how long answers will be; give epochs (a step has batch_rows questions)"
            )
        if self.packing != "best-fit":
            raise ValueError("packing: a step has batch_rows questions, however they share rows; leave it at best-fit")
        if not 0 < self.clip[0] < 1 or self.clip[1] <= 0:
            raise ValueError(f"clip: {list(self.clip)} is not [low, high] with 0 < low < 1 and high > 0")
        if self.target is not None and not self.validation.share:
            raise ValueError("target needs held-out questions: set validation.share")
        return self
