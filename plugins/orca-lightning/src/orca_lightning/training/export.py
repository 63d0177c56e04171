"""The result of a fit: a Hugging Face directory, under its name only when it is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from orca_lightning.network.model import Model
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.state import whole


def export(path: Path, model: Model, tokenizer: Tokenizer, weights: dict[str, Tensor] | None = None) -> None:
    """Write a directory that plain ``AutoModelForCausalLM`` and ``AutoTokenizer`` load, under its name when it is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    extra: dict[str, Any] = {"state_dict": weights} if weights is not None else {}
    model.save_pretrained(temporary, **extra)
    tokenizer.save_pretrained(temporary)
    for file in [*temporary.iterdir(), temporary]:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    temporary.replace(path)


def whole_weights(model: Model) -> dict[str, Tensor]:
    """The model's whole weights, gathered from all processes."""
    return {name: whole(value.detach()) for name, value in model.state_dict().items()}
