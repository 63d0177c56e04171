"""The state of a training on disk, to resume from, also on another number of processes.

Each saved state is a directory of ``work/state`` named by its step: ``facts.json``, each process' shards, and ``.metadata``,
which ``torch.distributed.checkpoint`` writes last; without it, the directory is a half-done one that does not count. The one
before stays until then. Writing goes on behind the training: only the copy into main memory is waited for.

What is a function of (seed, step) is not in it: the order of data, the learning rate, the random numbers of dropout.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save
from torch.distributed.tensor import DTensor

from orca_core.errors import UserError
from orca_lightning.network.model import Model

Facts = dict[str, Any]
Average = Mapping[str, Tensor] | None
"""An average of the weights by parameter, placed as they are, if one is kept."""


class Saver:
    """Writes states into a directory, one at a time, while the training goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.main = not dist.is_initialized() or dist.get_rank() == 0
        # threads of the writer must not meet those of the training in one process group
        self.group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        self.pending: Future[Any] | None = None
        self.bytes = 0

    def save(self, model: Model, optimizer: torch.optim.Optimizer, facts: Facts, average: Average = None) -> None:
        """Begin to write a state, once the one before is written. All processes take part.

        Args:
            model: of which the parameters that are trained are saved.
            optimizer: its state of them.
            facts: plain values, among them ``step``, that :func:`read_facts` gives back.
            average: saved beside the parameters.

        Raises:
            OSError: the disk is full, or the state before could not be written; the last whole one stays.
        """
        self.wait()
        target = self.path / f"{facts['step']:08d}"
        tensors = dict(_tensors(model, optimizer, average))
        if self.main:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            self.bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
            self._check_room()
            (target / "facts.json").write_text(json.dumps(facts))
        alone = self.group is None
        saving: Any = async_save(tensors, checkpoint_id=target, process_group=self.group, no_dist=alone)
        self.pending = saving

    def wait(self) -> None:
        """Wait until what was begun is whole on the disk; what it replaces is deleted.

        Raises:
            OSError: it could not be written.
        """
        if self.pending is None:
            return
        pending, self.pending = self.pending, None
        try:
            pending.result()
        except Exception:
            self._check_room()  # torch's writer tells of a full disk by another error, without a number
            raise
        if self.main:
            for other in set(self.path.iterdir()) - {newest(self.path)}:
                shutil.rmtree(other)

    def _check_room(self) -> None:
        if self.main and shutil.disk_usage(self.path).free < self.bytes:
            raise OSError(errno.ENOSPC, f"no room for a training state of {self.bytes / 1e6:.1f} MB", str(self.path))


def newest(path: Path) -> Path | None:
    """The directory of the newest whole state below ``path``, None if there is none."""
    return max((marked.parent for marked in path.glob("*/.metadata")), default=None)


def read_facts(path: Path) -> Facts:
    """The facts of the newest state, none if there is no state."""
    state = newest(path)
    return {} if state is None else json.loads((state / "facts.json").read_text())


@torch.no_grad()
def restore_state(path: Path, model: Model, optimizer: torch.optim.Optimizer, average: Average = None) -> None:
    """Put the newest state back, each process its part.

    Raises:
        UserError: it cannot be read.
    """
    state = newest(path)
    assert state is not None, path
    try:
        saved = FileSystemReader(state).read_metadata().state_dict_metadata
        for name, parameter in _trained(model):
            for key in (k for k in saved if k.startswith("optimizer.") and k.endswith(f".{name}")):
                slot = key.removeprefix("optimizer.").removesuffix(f".{name}")
                if "." not in slot:
                    optimizer.state[parameter][slot] = _empty(saved[key], parameter)
        tensors = dict(_tensors(model, optimizer, average))
        load(tensors, checkpoint_id=state, no_dist=not dist.is_initialized())
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, CheckpointException) as error:
        raise UserError(
            f"the saved training state in {state} cannot be read ({in_short(error)}); delete this directory and give the "
            "same command again: the fit then begins anew, and nothing else is lost"
        ) from error


def _tensors(model: Model, optimizer: torch.optim.Optimizer, average: Average) -> Iterator[tuple[str, Any]]:
    for name, parameter in _trained(model):
        yield f"model.{name}", parameter.detach()
        for key, value in optimizer.state[parameter].items():
            yield f"optimizer.{key}.{name}", value
        if average is not None:
            yield f"average.{name}", average[name]


def _trained(model: Model) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _empty(saved: Any, parameter: torch.nn.Parameter) -> Tensor:
    """Room for a tensor of the optimizer's: one like the parameter is placed as it is, a number stays in main memory."""
    assert isinstance(saved, TensorStorageMetadata)
    dtype = saved.properties.dtype
    if saved.size == parameter.shape:
        return torch.empty_like(parameter.detach(), dtype=dtype)
    return torch.empty(saved.size, dtype=dtype, device=parameter.device if parameter.is_cuda else "cpu")


def in_short(error: BaseException) -> str:
    """What went wrong, without the traceback of another process that torch.distributed.checkpoint puts into its errors."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded, in main memory."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()
