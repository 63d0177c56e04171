"""Matrix products in float32 on CPUs, by the quicker of the two libraries that torch brings along.

``x W^T``, which is what a linear layer computes, takes oneDNN a sixth less time than the BLAS that torch hands it to; the products
of the backward pass, which have other layouts, are as quick by BLAS. Everything else (GPUs, other numbers, reduced precision,
adapters) is left to the layer itself.
"""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from orca_lightning.network.attention import apply

MANY: Final = 256
"""Rows from which oneDNN is asked: it sets itself up for each new shape, which small products do not make up for."""
_ONEDNN: Final[Any] = getattr(torch.ops.mkldnn, "_linear_pointwise", None) if torch._C._has_mkldnn else None


def times_transposed(x: Tensor, weight: Tensor) -> Tensor:
    """``x W^T``, ``[..., in]`` to ``[..., out]``, without a gradient."""
    if _quicker(x, weight):
        return cast(Tensor, _ONEDNN(x, weight, None, "none", [], ""))
    return linear(x, weight)


def project(layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer makes of ``x``, ``[..., in]``."""
    if not is_product(layer, x):
        return cast(Tensor, layer(x))
    weight = cast(Tensor, layer.weight)
    return apply(_Product, x, weight) if torch.is_grad_enabled() else times_transposed(x, weight)


def is_product(layer: nn.Module, x: Tensor) -> bool:
    """Whether what a layer makes of ``x`` is :func:`times_transposed` with its weight, and quicker so."""
    return type(layer) is nn.Linear and layer.bias is None and _quicker(x, layer.weight)


def _quicker(x: Tensor, weight: Tensor) -> bool:
    return (
        _ONEDNN is not None
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() >= MANY * x.shape[-1]
        and torch.get_float32_matmul_precision() == "highest"
        and not torch.is_autocast_enabled("cpu")
    )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return times_transposed(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        of_x, of_weight = ctx.needs_input_grad
        flat = gradient.flatten(0, -2)
        return gradient @ weight if of_x else None, flat.t() @ x.flatten(0, -2) if of_weight else None
