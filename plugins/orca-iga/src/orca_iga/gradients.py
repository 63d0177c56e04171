"""Whose gradients are compared over domains: those of the parameters themselves, or of the matrices that adapters stand beside.

Backward passes inside ``watched()`` are taken note of, ``take()`` gives their gradients by name (the next ones begin anew), and
``put()`` leaves others for the optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from orca_lightning.network.model import Model
from torch import Tensor, nn

from orca_core.errors import UserError
from orca_iga.masks import low_rank, pull_back

_ADAPTER = "default"
"""peft's name of the adapter that orca_lightning adds."""


class OfParameters:
    """The gradients of everything that is trained."""

    def __init__(self, model: Model) -> None:
        self.parameters: dict[str, nn.Parameter] = {n: p for n, p in model.named_parameters() if p.requires_grad}

    def watched(self) -> AbstractContextManager[None]:
        """Nothing needs to be done: autograd does it."""
        return nullcontext()

    def take(self) -> Iterator[tuple[str, Tensor]]:
        """Since the last time. A parameter that the loss did not depend on has a gradient of 0."""
        for name, parameter in self.parameters.items():
            gradient, parameter.grad = parameter.grad, None
            yield name, torch.zeros_like(parameter) if gradient is None else gradient

    def put(self, gradients: Mapping[str, Tensor]) -> None:
        """Have the optimizer find these."""
        for name, gradient in gradients.items():
            parameter = self.parameters[name]
            parameter.grad = gradient.to(parameter.dtype)


class OfMatrices:
    """The gradients of the matrices ``W = W0 + s B A`` of LoRA layers, which autograd itself never makes: ``delta^T X``.

    Raises:
        UserError: an adapter stands beside something else than a linear layer.
    """

    def __init__(self, model: Model) -> None:
        self.layers: dict[str, Any] = {name: m for name, m in model.named_modules() if hasattr(m, "lora_A")}
        for name, layer in self.layers.items():
            if not isinstance(layer.base_layer, nn.Linear):
                raise UserError(
                    f"student.lora.targets: {name} is no linear layer, and only those have a matrix whose gradient can be "
                    "masked; leave it out, or set student.mask=none"
                )
        self.found: dict[str, Tensor] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at what goes into the layers, and at the gradient of what comes out."""
        handles = [layer.register_forward_hook(self._note(name)) for name, layer in self.layers.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _note(self, name: str) -> Any:
        def look(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not output.requires_grad:
                return
            x = inputs[0].detach().flatten(0, -2)

            def add(delta: Tensor) -> None:
                gradient = delta.flatten(0, -2).float().T @ x.float()
                self.found[name] = self.found[name] + gradient if name in self.found else gradient

            output.register_hook(add)  # type: ignore[no-untyped-call]

        return look

    def take(self) -> Iterator[tuple[str, Tensor]]:
        """Since the last time. Those of the adapters themselves are dropped."""
        found, self.found = self.found, {}
        for layer in self.layers.values():
            layer.lora_A[_ADAPTER].weight.grad = layer.lora_B[_ADAPTER].weight.grad = None
        yield from found.items()

    @torch.no_grad()
    def put(self, gradients: Mapping[str, Tensor]) -> None:
        """Bring each to its layer's rank (truncated SVD) and have the optimizer find what it comes down to for the adapters."""
        for name, gradient in gradients.items():
            layer = self.layers[name]
            a, b = layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight
            a.grad, b.grad = pull_back(low_rank(gradient, len(a)), a, b, layer.scaling[_ADAPTER])
