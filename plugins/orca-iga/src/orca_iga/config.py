"""What can be set about the student ``iga``, checked by pydantic; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from orca_lightning import LightningConfig
from pydantic import Field, model_validator


class IgaConfig(LightningConfig):
    """Damps what the domains of an isomer set disagree about (IGA, arXiv 2606.05025); its controls are other masks.

    A step is ``batch_rows`` isomer sets, each with one example of every domain; a forward pass has ``micro_rows`` examples of one
    domain. Examples come in sets by the ``cluster`` and ``domain`` in their queries' ``meta``.
    """

    training: ClassVar[str] = "orca_iga.training:IgaTraining"

    mask: Literal["conflict", "and", "shuffled", "none"] = Field(
        default="conflict",
        description="conflict: exp(-tau V), V the variance of gradients over domains; and: 1 where their signs agree (AND-mask); "
        "shuffled: conflict's values, exchanged within each tensor (a control); none: plain fine-tuning in the same steps",
    )
    tau: float = Field(default=1.0, ge=0, description="how hard conflict is punished; 0: not at all")
    normaliser: Literal["snr", "tensor", "raw"] = Field(
        default="snr",
        description="what V is divided by: the squared mean gradient of the coordinate; the mean of V over the tensor; nothing",
    )
    agreement: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="mask=and: 1 where the mean of the domains' signs is at least so far from 0",
    )
    stage: Literal["update", "gradient"] = Field(
        default="update",
        description="what is masked: the optimizer's step; or the gradient, whose scale Adam divides out again",
    )
    exclude: tuple[Literal["norms", "embeddings"], ...] = Field(
        default=("norms",),
        description="parameters that are never masked: vectors; the embedding matrix, where a word of one domain has no gradient in "
        "the others",
    )

    @model_validator(mode="after")
    def _supported(self) -> Self:
        if problems := list(self._problems()):
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        """What this student would do wrong, so that it refuses it."""
        if self.strategy != "single":
            yield "masks need the whole gradient of every domain on one device: strategy=single, not fsdp"
        if self.precision == "bf16-true":
            yield "a masked update of weights in 16 bits would be rounded away: precision=32-true or bf16-mixed"
        if self.packing != "best-fit":
            yield "a step is made of isomer sets, which packing has no part in: leave packing as it is"
        if self.validation.share:
            yield "held-out queries would be torn out of their isomer sets: validation.share=0"
        if self.lora is not None and self.mask != "none":
            yield from self._problems_of_adapters(self.lora.dropout > 0, self.lora.quantize is not None)

    def _problems_of_adapters(self, dropout: bool, quantised: bool) -> Iterator[str]:
        if self.stage == "update":
            yield (
                "with lora the gradient of the whole matrix is masked and pulled back to the adapters: stage=gradient "
                "(or mask=none)"
            )
        if dropout:
            yield "lora.dropout: the gradient of the whole matrix knows nothing of it: lora.dropout=0"
        if quantised:
            yield "lora.quantize: not tried with masks: lora.quantize=null"
