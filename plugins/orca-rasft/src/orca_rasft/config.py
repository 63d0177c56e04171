"""What can be set about the student ``rasft``, checked by pydantic; imports nothing heavy.

The defaults are those of the authors' code (github zjd1sq/RASFT); ``student=rasft-tiny`` has what a small machine wants.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from orca_lightning import LightningConfig
from pydantic import Field, model_validator

from orca_core.component import Config

Share = tuple[float, float]


class Rollouts(Config):
    """The policy's own answers, out of which a problem's solvability is estimated."""

    count: int = Field(default=3, ge=1, description="answers to a problem (K)")
    temperature: float = Field(default=0.9, gt=0, le=2, description="they are drawn at")
    top_p: float = Field(default=0.95, gt=0, le=1, description="from the smallest set of tokens of this probability")
    repetition_penalty: float = Field(default=1.1, ge=1, description="makes tokens unlikely that came already; 1: none")
    max_new_tokens: int | None = Field(
        default=None, ge=1, description="longest answer; null: generation.max_new_tokens. A longer one is malformed"
    )
    refresh: int = Field(default=32, ge=1, description="optimizer steps for which a round of answers serves")
    alike: float = Field(
        default=0.82, gt=0, le=1, description="answers whose words' 3-grams overlap so far (Jaccard) are one answer"
    )
    negatives: int = Field(default=3, ge=0, description="wrong answers that count in the statistics, at most")


class Window(Config):
    """Which problems get rollouts, by difficulty: the mean cross-entropy of the expert's answer, as a quantile."""

    start: Share = Field(default=(0.20, 0.45), description="the middle, at the first step")
    end: Share = Field(default=(0.50, 0.75), description="the middle, at the last step; linear in between")
    share: float = Field(default=0.35, ge=0, le=1, description="of the middle that is rolled out")
    hard: float = Field(default=0.90, ge=0, le=1, description="problems between the middle and this quantile are hard")
    hard_share: float = Field(default=0.03, ge=0, le=1, description="of the hard ones that is rolled out")
    calibration: int = Field(default=1000, ge=1, description="problems that the quantiles are taken from, at most")


class RasftConfig(LightningConfig):
    """Imitates less where the policy's own verified answers succeed (RASFT, arXiv 2606.07006); DFT and others beside it."""

    training: ClassVar[str] = "orca_rasft.training:RasftTraining"

    objective: Literal["rasft", "sft", "dft", "proximal", "kl"] = Field(
        default="rasft",
        description="rasft; sft: plain; dft: tokens weighted by their probability; proximal: the clipped ratio to the policy "
        "at the beginning of a round; kl: sft, and a penalty on leaving the start model",
    )
    mix: Literal["released", "paper", "rejection"] = Field(
        default="released",
        description="weights of expert and own answers: of the authors' code; the abstract's words, own answers having the "
        "share of the pass rate; the expert's only where no own answer is right (a control)",
    )
    all_correct: Literal["released", "floor", "skip"] = Field(
        default="released",
        description="mix=released, where every own answer is right: full imitation, as in the code; small weights; none",
    )
    token_weight: Literal["dft", "none"] = Field(
        default="dft", description="whether a token's weight has its probability as a factor"
    )
    ratio_clip: Share = Field(default=(0.4, 1.2), description="bounds of the ratio reference / policy of a sequence")
    rollouts: Rollouts = Field(default=Rollouts(), description="the policy's own answers")
    window: Window | None = Field(default=Window(), description="which problems get them; null: all")
    kl_weight: float = Field(default=0.05, ge=0, description="objective=kl: of the penalty")
    proximal_clip: float = Field(default=0.2, gt=0, description="objective=proximal: a ratio counts up to 1 + this")
    drift_prompts: int = Field(
        default=0, ge=0, description="prompts on which the distance to the start model is measured in the end; 0: none"
    )

    @model_validator(mode="after")
    def _on_one_device(self) -> Self:
        if self.strategy != "single":
            raise ValueError("rollouts and the reference need the whole model on one device: strategy=single")
        if not 0 <= self.ratio_clip[0] <= self.ratio_clip[1]:
            raise ValueError(f"ratio_clip: {list(self.ratio_clip)} is not [low, high] with 0 <= low <= high")
        return self
