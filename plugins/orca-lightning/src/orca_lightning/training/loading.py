"""Reading pretrained weights into a model whose parameters are sharded, straight from its safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.tensor import DTensor, distribute_tensor

from orca_core.errors import UserError
from orca_lightning.network.model import Model
from orca_lightning.training.adapters import is_adapter, plain_name
from orca_lightning.training.state import in_short


def local_copy(base: str | Path) -> Path:
    """The directory of a base, fetched from the Hub first where it is an id.

    Raises:
        UserError: it cannot be fetched, or holds no safetensors.
    """
    path = Path(base)
    if not path.is_dir():
        from huggingface_hub import snapshot_download

        try:
            path = Path(snapshot_download(str(base), allow_patterns=["*.safetensors", "*.json", "*.model", "*.jinja"]))
        except (OSError, ValueError) as error:
            raise UserError(f"student.base: '{base}' is no directory and cannot be fetched: {error}") from error
    if not list(path.glob("*.safetensors")):
        raise UserError(
            f"student.base: {path} holds no *.safetensors, which strategy=fsdp reads shard by shard; load it once with "
            "transformers and save it again with save_pretrained"
        )
    return path


def load_sharded(model: Model, weights: Path) -> None:
    """Fill a model's parameters, each process its shards, from a directory of safetensors.

    A matrix with more rows than the file's (a token was added) gets the mean of the file's rows in them, as
    :func:`orca_lightning.network.model.fit_vocabulary` gives.

    Raises:
        UserError: a file is broken, or lacks a parameter.
    """
    try:
        reader = HuggingFaceStorageReader(str(weights))
        saved: Mapping[str, Any] = reader.read_metadata().state_dict_metadata
        wanted = _untied(model, saved)
        grown = {name for name, tensor in wanted.items() if tuple(saved[name].size) != tuple(tensor.shape)}
        exact = {name: tensor for name, tensor in wanted.items() if name not in grown}
        load(exact, storage_reader=HuggingFaceStorageReader(str(weights)), no_dist=not dist.is_initialized())
        for name in grown:
            _fill_grown(wanted[name], saved[name], name, weights)
    except (OSError, SafetensorError, RuntimeError, ValueError, KeyError, CheckpointException) as error:
        raise UserError(
            f"the weights in {weights} cannot be read ({in_short(error)}); fetch or copy them again"
        ) from error


def _untied(model: Model, saved: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters by their name in the files, each once, though two may be one matrix; adapters, which have none, left out.

    Raises:
        UserError: one is not in the files.
    """
    wanted: dict[int, tuple[str, Tensor]] = {}
    for inner, parameter in model.named_parameters(remove_duplicate=False):
        name = plain_name(inner)
        if is_adapter(inner):
            continue
        if name in saved or id(parameter) not in wanted:
            wanted[id(parameter)] = name, parameter.detach()
    missing = [name for name, _ in wanted.values() if name not in saved]
    if missing:
        raise UserError(
            f"the files of the base lack {len(missing)} of the model's parameters, such as '{missing[0]}'; save the base "
            "again with transformers' save_pretrained, or train with strategy=single"
        )
    return dict(wanted.values())


def _fill_grown(target: Tensor, saved: Any, name: str, weights: Path) -> None:
    rows, *rest = saved.size
    if rows > target.shape[0] or rest != list(target.shape[1:]):
        raise ValueError(f"{name} is {list(saved.size)} in the file and {list(target.shape)} in the model")
    old = torch.empty(saved.size, dtype=saved.properties.dtype)
    load({name: old}, storage_reader=HuggingFaceStorageReader(str(weights)), no_dist=not dist.is_initialized())
    old = old.to(target.dtype)
    full = torch.cat([old, old.mean(0, keepdim=True).expand(target.shape[0] - rows, *rest)])
    if isinstance(target, DTensor):
        # every process has the whole matrix, so each takes its part of its own copy
        full = distribute_tensor(full.to(target.device), target.device_mesh, target.placements, src_data_rank=None)
    target.copy_(full)
