"""The summed cross-entropy of responses, as a module: the root of what is sharded, so its forward pass is the only way in.

Hidden states are selected before the output layer, and that is applied to a chunk of them at a time, so prompt tokens cost no
product with the vocabulary and memory does not grow with the targets of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from orca_lightning.network.attention import Scope
from orca_lightning.network.model import Model

IGNORED = -100
"""The label of a target that does not count, as in ``torch.nn.functional.cross_entropy``."""
CHUNK = 512
"""Targets whose logits exist at once: 64 MB of them for 32,000 tokens."""
_RESHAPED = ("final_logit_softcapping", "logits_scaling", "logit_scale")
"""Config entries of architectures (Gemma, Granite, Cohere) that do more to their logits than a matrix product."""


class ResponseLoss(nn.Module):
    """Cross-entropy at the supervised positions of flattened rows; nothing else passes through the output layer.

    Args:
        model: a causal language model that attends by scope (:mod:`orca_lightning.network.attention`).
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.own_head = any(getattr(model.config, name, None) not in (None, 1, 1.0) for name in _RESHAPED)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        scope: Scope,
        predict: Tensor,
        labels: Tensor,
        *,
        each: bool = False,
        logits: bool = False,
    ) -> Tensor:
        """The sum over the targets in nats, or with ``each`` the loss of every target, ``[targets]`` (0 where ignored).

        With ``logits``, what the loss is made of: ``[targets, vocabulary]``, all at once.

        Args:
            ids: ``[1, tokens]``.
            positions: ``[1, tokens]``.
            scope: what each token may attend to.
            predict: ``[targets]``: the tokens after which a supervised one comes.
            labels: ``[targets]``: the supervised tokens, or :data:`IGNORED`.
            each: whether to keep the targets apart.
            logits: whether to stop before the loss.
        """
        told: dict[str, Any] = {"input_ids": ids, "position_ids": positions, "scope": scope, "use_cache": False}
        if self.own_head:
            raw: Tensor = self.model(**told, logits_to_keep=predict).logits[0].float()
            return raw if logits else cross_entropy(raw, labels, reduction="none" if each else "sum")
        hidden = self.model.get_decoder()(**told).last_hidden_state[0, predict]
        if logits:
            whole: Tensor = self.model.get_output_embeddings()(hidden).float()
            return whole
        return head_loss(hidden, self.model.get_output_embeddings(), labels, each=each)


def head_loss(hidden: Tensor, head: nn.Linear, labels: Tensor, *, each: bool) -> Tensor:
    """Cross-entropy behind an output layer, a chunk of logits at a time; what a backward pass needs of them is made twice at most.

    Args:
        hidden: ``[targets, size]``.
        head: to ``[targets, vocabulary]``.
        labels: ``[targets]``, :data:`IGNORED` where nothing counts.
        each: ``[targets]`` losses, else their sum.
    """
    fused = _fused(hidden.device.type, hidden.dtype)
    if fused is not None and not each:
        return fused(hidden, head, labels)
    parts = zip(torch.split(hidden, CHUNK), torch.split(labels, CHUNK), strict=True)
    reduction = "none" if each else "sum"
    if not torch.is_grad_enabled():
        losses = [_part(h, head, y, reduction) for h, y in parts]
    else:
        losses = [checkpoint(_part, h, head, y, reduction, use_reentrant=False) for h, y in parts]
    return torch.cat(losses) if each else torch.stack(losses).sum()


def _part(hidden: Tensor, head: nn.Linear, labels: Tensor, reduction: str) -> Tensor:
    return cross_entropy(head(hidden).float(), labels, reduction=reduction)


@cache
def _fused(device: str, dtype: torch.dtype) -> Callable[[Tensor, nn.Linear, Tensor], Tensor] | None:
    """Product and cross-entropy in one, where a library has it: liger-kernel on GPUs, torch 2.13 on CPUs."""
    if device == "cuda":
        try:
            from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction as Liger
        except ImportError:
            return None
        return lambda h, head, y: Liger.apply(h, head.weight, y, head.bias, None, IGNORED, 0.0, 0.0, "sum")[0]
    fused: Any = getattr(functional, "linear_cross_entropy", None)
    if fused is None or dtype != torch.float32:
        return None
    from torch.nn.modules.linear_cross_entropy_options import LinearCrossEntropyOptions

    # its own choice of chunks is two and a half times as slow on a CPU
    options = LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=CHUNK)

    def loss(hidden: Tensor, head: nn.Linear, labels: Tensor) -> Tensor:
        told: dict[str, Any] = {"reduction": "sum", "ignore_index": IGNORED, "options": options}
        result: Tensor = fused(hidden, head.weight, labels, linear_bias=head.bias, **told)
        return result

    return loss
