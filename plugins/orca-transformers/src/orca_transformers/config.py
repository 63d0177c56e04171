"""What can be set about the teacher ``transformers``; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from orca_core.component import Config, unkeyed


class TransformersConfig(Config):
    """Answers with a Hugging Face causal language model on this machine's devices."""

    model: Path | str = Field(
        description="directory of a model, a GGUF file, or the name of a model on the Hugging Face hub; "
        "a local one is known to caches by its content"
    )
    revision: str | None = Field(None, description="branch, tag or commit on the hub; null: its main branch")
    gguf_file: str | None = Field(
        None, description="the GGUF file of a directory or of a hub repository that holds several"
    )
    template: Literal["chat", "plain"] = Field(
        "chat",
        description="chat: the tokenizer's chat template; plain: for base models, system message and question with an "
        "empty line after each",
    )
    temperature: float = Field(0.0, ge=0, le=2, description="0 takes the likeliest token; above, samples (seeded)")
    top_p: float = Field(1.0, gt=0, le=1, description="sample from the smallest set of tokens of this probability")
    max_tokens: int = Field(1024, ge=1, description="longest answer in tokens, end token included")
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="strings that end the answer and are no part of it"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="numbers of weights and computation; auto: the checkpoint's (float32 for a GGUF file)"
    )
    batch_tokens: int = unkeyed(
        32_768,
        ge=1,
        description="prompt and answer tokens, padding included, that are in memory together on each device",
    )
    devices: tuple[Annotated[str, Field(pattern=r"^(cpu|mps|(cuda|xpu)(:\d+)?)$")], ...] | None = unkeyed(
        None, min_length=1, description="a copy of the model on each of these; null: all GPUs, else the CPU"
    )
    spread: bool = unkeyed(
        False, description="one model over all devices instead (device_map=auto), for a model larger than one of them"
    )

    @field_validator("model", mode="before")
    @classmethod
    def _path_if_it_is_there(cls, model: Any) -> Any:
        if not isinstance(model, str):
            return model
        if not model:
            raise ValueError("should be a directory, a GGUF file or a name on the Hugging Face hub")
        path = Path(model).expanduser()
        return path if path.exists() else model

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.spread and self.devices is not None:
            raise ValueError("spread takes all devices: leave devices at null")
        if self.local and self.revision is not None:
            raise ValueError(f"a revision is of a hub repository, and {self.model} is local")
        if self.local and Path(self.model).is_file() and self.gguf_file is not None:
            raise ValueError("model is a file itself: leave gguf_file at null, or let model be its directory")
        return self

    @property
    def local(self) -> bool:
        """Whether the model is a file or directory of this machine."""
        return isinstance(self.model, Path)

    @property
    def name(self) -> str:
        """The model's name in traces: that of the hub, or of the directory or file."""
        return Path(self.model).resolve().name if self.local else str(self.model)
