"""What can be set about the Lightning student, checked by pydantic; imports nothing heavy."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

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
    engine: Literal["orca", "vllm"] = Field(
        default="orca", description="who generates: this package, or vLLM where it is installed"
    )
    dtype: Literal["float32", "bfloat16"] = Field(default="float32", description="numbers to compute answers in")
    batch_size: int = unkeyed(64, ge=1, description="prompts answered together")
    batch_tokens: int = unkeyed(
        65_536, ge=1, description="bounds them by memory: tokens that they and their longest answers may have"
    )


class Lora(Config):
    """Low-rank adapters (LoRA, arXiv 2106.09685) beside frozen weights; merged into them when the fit is done."""

    rank: int = Field(default=16, ge=1, description="rank of an adapter")
    alpha: int = Field(default=32, ge=1, description="adapters are scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="share of an adapter's inputs left out in training")
    targets: tuple[str, ...] = Field(
        default=(), description="names of the linear layers with adapters; empty: all but the output layer"
    )
    quantize: Literal["nf4"] | None = Field(
        default=None, description="the frozen weights in 4 bits (QLoRA, arXiv 2305.14314); needs bitsandbytes"
    )


class Validation(Config):
    """Examples that are held out to measure loss and perplexity on."""

    share: float = Field(
        default=0.0, ge=0, le=0.5, description="share of the queries held out, the same in every phase; 0: none"
    )
    every: int | None = Field(default=None, ge=1, description="steps between two measurements; null: once an epoch")
    patience: int | None = Field(
        default=None, ge=1, description="stop after so many measurements without a better one; null: never"
    )


class LightningConfig(Config):
    """A LLaMA (or any Hugging Face causal LM) trained with Lightning, loss on the response alone."""

    training: ClassVar[str] = "orca_lightning.training.module:ResponseTraining"
    """The class that trains, as ``module:Class``. The config of a method that trains otherwise names a subclass of it here."""

    base: str | None = Field(
        default=None,
        description="pretrained model to start from: a directory, a Hugging Face id, a GGUF file, or package://NAME/FILE",
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
    packing: Literal["best-fit", "next-fit", "naive"] = Field(
        default="best-fit",
        description="how examples share rows: best-fit decreasing; the paper's words (shuffled, next-fit); the same with "
        "attention and positions running on through the whole row",
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
    optimizer: Literal["adamw", "adamw-8bit"] = Field(
        default="adamw", description="AdamW with moments in 32 or in 8 bits (torchao)"
    )
    optimizer_state: Literal["reset", "keep"] = Field(
        default="reset", description="whether a phase takes the moments over from the phase before"
    )
    ema: float | None = Field(
        default=None, gt=0, lt=1, description="decay of an average of the weights, which becomes the result; null: none"
    )
    token_budget: int | None = Field(
        default=None, ge=1, description="train for about this many tokens (padding not counted), whatever the epochs"
    )
    precision: Literal["32-true", "bf16-mixed", "bf16-true"] = Field(
        default="32-true",
        description="numbers of the forward and backward pass; bf16-true keeps the weights in 16 bits as well, rounded "
        "stochastically (torchao)",
    )
    matmul: Literal["highest", "high", "medium"] = Field(
        default="highest",
        description="torch's float32 matmul precision; 'medium' multiplies in bfloat16 where the CPU can",
    )
    lora: Lora | None = Field(default=None, description="train low-rank adapters alone; null: all weights")
    strategy: Literal["single", "fsdp"] = Field(
        default="single", description="one device, or sharded over several (FSDP2)"
    )
    devices: int = unkeyed(1, ge=1, description="processes of a machine, one per GPU (or CPU share)")
    nodes: int = unkeyed(1, ge=1, description="machines that train together")
    launcher: Literal["torchrun", "srun"] = unkeyed(
        "torchrun", description="what starts the processes; srun: inside a Slurm allocation of so many nodes"
    )
    rendezvous: str | None = unkeyed(
        None,
        description="host:port of the first machine, for torchrun on several; the others run the command it prints",
    )
    activation_checkpointing: bool = unkeyed(
        False, description="recompute a layer's activations in the backward pass: a third more work, far less memory"
    )
    cpu_offload: bool = unkeyed(False, description="sharded weights and optimizer state wait in main memory (fsdp)")
    threads: int | None = unkeyed(None, ge=1, description="CPU threads; null: torch's choice")
    checkpoint_seconds: float = unkeyed(
        30.0, ge=0, description="how often training is saved for resuming; 0: every step"
    )
    validation: Validation = Field(default=Validation(), description="examples held out to measure on")
    result: Literal["last", "best"] = Field(
        default="last", description="the checkpoint that counts: after the last step, or of the best validation loss"
    )
    export_dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="numbers of the finished checkpoint"
    )
    tensorboard: bool = unkeyed(False, description="write TensorBoard events beside the metrics")
    machines: tuple[str, ...] = unkeyed(
        (), description="what `orca plan` reckons memory and hours for, e.g. 8xA100-80GB; empty: this machine"
    )
    generation: Generation = Field(default=Generation(), description="how the fitted student answers")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.base is None and self.model is None:
            raise ValueError("either base (a pretrained model) or model (a shape to build from scratch) is needed")
        if self.devices > 1 and self.strategy == "single":
            raise ValueError(f"devices={self.devices} needs strategy=fsdp")
        if self.nodes > 1 and self.strategy == "single":
            raise ValueError(f"nodes={self.nodes} needs strategy=fsdp")
        if self.nodes > 1 and self.launcher == "torchrun" and self.rendezvous is None:
            raise ValueError(f"nodes={self.nodes} needs rendezvous=host:port of the first machine, or launcher=srun")
        if self.cpu_offload and self.strategy == "single":
            raise ValueError("cpu_offload needs strategy=fsdp")
        if (self.result == "best" or self.validation.patience) and not self.validation.share:
            raise ValueError("result=best and validation.patience need held-out examples: set validation.share")
        if self.lora is not None and self.lora.quantize and self.strategy == "fsdp":
            raise ValueError("lora.quantize keeps the frozen weights in 4 bits on one device: it needs strategy=single")
        if self.lora is not None and self.optimizer_state == "keep":
            raise ValueError(
                "lora merges its adapters after each phase, so optimizer_state=keep has no moments to keep"
            )
        if self.model is not None and self.max_length > self.model.positions:
            raise ValueError(f"max_length {self.max_length} exceeds the model's {self.model.positions} positions")
        return self
