"""What can be set about the Lightning student, checked by pydantic; imports nothing heavy."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from orca_core.component import Config, unkeyed


class ModelShape(Config):
    """The shape of a LLaMA. From scratch it is what gets built; with a ``base`` it is what the base must turn out to be."""

    hidden_size: int = Field(default=128, ge=8, description="width of the residual stream")
    layers: int = Field(default=4, ge=1, description="decoder layers")
    heads: int = Field(default=4, ge=1, description="attention heads; must divide hidden_size")
    kv_heads: int | None = Field(
        default=None, ge=1, description="key/value heads (grouped-query attention); null: as many as heads"
    )
    intermediate_size: int = Field(default=352, ge=8, description="width of the gated feed-forward layer")
    vocab_size: int = Field(
        default=1024, ge=280, description="tokens, specials included; a trained tokenizer may need fewer"
    )
    positions: int = Field(default=2048, ge=8, description="longest sequence the model is meant for")
    tie_embeddings: bool = Field(default=True, description="share the input embedding with the output layer")
    init_std: float = Field(
        default=0.02, gt=0, description="standard deviation of new weights; narrow models want more"
    )
    rope_theta: float = Field(default=10000.0, gt=0, description="base of the rotary position embedding")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads or self.hidden_size // self.heads % 2:
            raise ValueError(f"hidden_size {self.hidden_size} must be an even multiple of heads {self.heads}")
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(f"heads {self.heads} must be a multiple of kv_heads {self.kv_heads}")
        return self


class Generation(Config):
    """How the fitted student answers."""

    max_new_tokens: int = Field(default=512, ge=1, description="longest answer in tokens, end token included")
    temperature: float = Field(
        default=0.0, ge=0, le=2, description="0 takes the likeliest token; above, samples (seeded)"
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="sample from the smallest set of tokens of this probability"
    )
    batch_size: int = unkeyed(64, ge=1, description="prompts answered together")


class LightningConfig(Config):
    """A LLaMA (or any Hugging Face causal LM) trained with Lightning, loss on the response alone."""

    base: str | None = Field(
        default=None, description="pretrained model to start from: a directory or a Hugging Face id"
    )
    model: ModelShape | None = Field(
        default=ModelShape(), description="shape of the model; null: whatever the base has"
    )
    template: Literal["orca", "chatml", "llama-3", "plain"] | None = Field(
        default=None, description="chat template; null: the base's own, or 'orca' from scratch"
    )
    join_spaces: bool = Field(
        default=True, description="trained tokenizer: a digit or symbol takes the space before it along"
    )
    max_length: int = Field(default=1024, ge=8, description="tokens of a packed row, and of the longest example")
    over_long: Literal["truncate", "drop"] = Field(
        default="truncate",
        description="an example beyond max_length loses the beginning of its prompt, or is left out; counted",
    )
    batch_rows: int = Field(default=4, ge=1, description="rows per optimizer step, over all devices")
    micro_rows: int = unkeyed(4, ge=1, description="rows per forward pass and device; fewer need less memory")
    learning_rate: float = Field(default=1e-3, gt=0, description="peak learning rate")
    schedule: Literal["cosine", "linear", "constant"] = Field(default="cosine", description="after the warm-up")
    warmup_ratio: float = Field(default=0.05, ge=0, le=1, description="share of the steps with a rising learning rate")
    final_ratio: float = Field(default=0.1, ge=0, le=1, description="learning rate at the end, as a share of the peak")
    weight_decay: float = Field(default=0.1, ge=0, description="on matrices; never on norms and biases")
    betas: tuple[float, float] = Field(default=(0.9, 0.95), description="AdamW's decay rates")
    max_grad_norm: float = Field(default=1.0, gt=0, description="gradients are clipped to this norm")
    token_budget: int | None = Field(
        default=None, ge=1, description="train for about this many tokens (padding not counted), whatever the epochs"
    )
    precision: Literal["32-true", "bf16-mixed"] = Field(
        default="32-true", description="numbers of the forward and backward pass"
    )
    matmul: Literal["highest", "high", "medium"] = Field(
        default="highest",
        description="torch's float32 matmul precision; 'medium' multiplies in bfloat16 where the CPU can",
    )
    strategy: Literal["single", "fsdp"] = Field(
        default="single", description="one device, or sharded over several (FSDP2)"
    )
    devices: int = unkeyed(1, ge=1, description="processes of this machine, one per GPU (or CPU share)")
    threads: int | None = unkeyed(None, ge=1, description="CPU threads; null: torch's choice")
    checkpoint_seconds: float = unkeyed(
        30.0, ge=0, description="how often training is saved for resuming; 0: every step"
    )
    generation: Generation = Field(default=Generation(), description="how the fitted student answers")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.base is None and self.model is None:
            raise ValueError("either base (a pretrained model) or model (a shape to build from scratch) is needed")
        if self.devices > 1 and self.strategy == "single":
            raise ValueError(f"devices={self.devices} needs strategy=fsdp")
        if self.model is not None and self.max_length > self.model.positions:
            raise ValueError(f"max_length {self.max_length} exceeds the model's {self.model.positions} positions")
        return self
