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
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save, save
from torch.distributed.tensor import DTensor

from orca_core.errors import UserError
from orca_lightning.network.model import Model
from orca_lightning.training.optim import set_rate

Facts = dict[str, Any]
_COPIED = 1 << 30
"""Bytes up to which a state that lies in main memory is copied there, to be written while the training goes on."""


class Saver:
    """Writes states into a directory, one at a time, while the training goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending: Future[Any] | None = None
        self.bytes = 0

    @cached_property
    def main(self) -> bool:
        """Whether this process is the one that writes what is not sharded."""
        return not dist.is_initialized() or dist.get_rank() == 0

    @cached_property
    def group(self) -> dist.ProcessGroup | None:
        """Processes that write together; apart from those of the training, whose threads the writer's must not meet."""
        return dist.new_group(backend="gloo") if dist.is_initialized() else None

    def save(
        self, model: Model, optimizer: torch.optim.Optimizer, facts: Facts, average: Mapping[str, Tensor] | None = None
    ) -> None:
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
        self.bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if self.main:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            self._check_room()
            (target / "facts.json").write_text(json.dumps(facts))
        told: dict[str, Any] = {"checkpoint_id": target, "process_group": self.group, "no_dist": self.group is None}
        if self.bytes > _COPIED and not any(tensor.is_cuda for tensor in tensors.values()):
            self._checked(lambda: save(tensors, **told))
        else:
            self.pending = cast("Future[Any]", async_save(tensors, **told))

    def wait(self) -> None:
        """Wait until what was begun is whole on the disk; what it replaces is deleted.

        Raises:
            OSError: it could not be written.
        """
        if self.pending is None:
            return
        pending, self.pending = self.pending, None
        self._checked(pending.result)

    def _checked(self, written: Callable[[], Any]) -> None:
        try:
            written()
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


def read_facts(state: Path | None) -> Facts:
    """The facts of a state, none if there is no state."""
    return {} if state is None else json.loads((state / "facts.json").read_text())


def restore_state(
    state: Path,
    model: Model,
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor] | None = None,
    *,
    moments_only: bool = False,
) -> None:
    """Put a state back, each process its part.

    Args:
        state: as :func:`newest` finds it.
        model: gets the weights.
        optimizer: gets its state of them.
        average: gets the saved average.
        moments_only: leave weights and average as they are.

    Raises:
        UserError: it cannot be read.
    """
    _initialise(optimizer)
    tensors = dict(_tensors(model, optimizer, average))
    if moments_only:
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("optimizer.")}
    try:
        load(tensors, checkpoint_id=state, no_dist=not dist.is_initialized())
    except (OSError, RuntimeError, ValueError, EOFError, UnpicklingError, CheckpointException) as error:
        raise UserError(
            f"the saved training state in {state} cannot be read ({in_short(error)}); delete this directory and give the "
            "same command again: the fit then begins anew, and nothing else is lost"
        ) from error


def _initialise(optimizer: torch.optim.Optimizer) -> None:
    """Have the optimizer make its state, whatever it consists of, by a step that changes nothing."""
    rates = [
        group["lr"].clone() if isinstance(group["lr"], Tensor) else group["lr"] for group in optimizer.param_groups
    ]
    set_rate(optimizer, 0.0)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def _tensors(
    model: Model, optimizer: torch.optim.Optimizer, average: Mapping[str, Tensor] | None
) -> Iterator[tuple[str, Any]]:
    for name, parameter in _trained(model):
        yield f"model.{name}", parameter.detach()
        for key, value in optimizer.state[parameter].items():
            yield from _plain(f"optimizer.{key}.{name}", value)
        if average is not None:
            yield f"average.{name}", average[name]


def _plain(name: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    """A tensor as it is, or what a quantised one (torchao's moments in 8 bits) consists of.

    The blocks of a shard cannot be cut otherwise, so those of a sharded training are this process' own.
    """
    local = value.to_local() if isinstance(value, DTensor) else value
    if not hasattr(local, "__tensor_flatten__"):
        yield name, value
        return
    where = f".{dist.get_rank()}-of-{dist.get_world_size()}" if isinstance(value, DTensor) else ""
    for part in local.__tensor_flatten__()[0]:
        yield f"{name}.{part}{where}", getattr(local, part)


def _trained(model: Model) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def in_short(error: BaseException) -> str:
    """What went wrong, without the traceback of another process that torch.distributed.checkpoint puts into its errors."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded, in main memory."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()
