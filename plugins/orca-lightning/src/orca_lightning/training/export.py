"""The result of a fit: a Hugging Face directory, under its name only when it is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from orca_lightning.network.model import Model
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.adapters import merged


def export(path: Path, model: Model, tokenizer: Tokenizer, weights: dict[str, Tensor]) -> None:
    """Write a directory that plain ``AutoModelForCausalLM`` and ``AutoTokenizer`` load, under its name when it is whole.

    Args:
        path: of the directory.
        model: gives the config and the settings of generation.
        tokenizer: with the chat template.
        weights: by name, as :func:`whole_weights` gathers them.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.config.dtype = next(iter(weights.values())).dtype
    if hasattr(model.config, "quantization_config"):  # what was frozen in 4 bits is written in full
        del model.config.quantization_config
        model.hf_quantizer, model.is_quantized = None, False
    model.save_pretrained(temporary, state_dict=weights)
    tokenizer.save_pretrained(temporary)
    for file in [*temporary.iterdir(), temporary]:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    shutil.rmtree(path, ignore_errors=True)
    temporary.replace(path)


def whole_weights(model: Model, dtype: str, *, keep: bool = True) -> dict[str, Tensor]:
    """The model's whole weights in main memory, adapters added, gathered tensor by tensor from all processes.

    Args:
        model: whose state is gathered.
        dtype: what they are turned into, as torch names it.
        keep: whether this process gets them; otherwise it takes part and gets nothing.
    """
    numbers: Any = getattr(torch, dtype)
    return {name: value.to(numbers) for name, value in merged(model) if keep}
