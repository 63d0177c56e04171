"""The summed cross-entropy of responses, as a module: the root of what is sharded, so its forward pass is the only way in.

Hidden states are selected before the output layer (of a LLaMA, within its last layer already), and that is applied to a chunk of
them at a time, so prompt tokens cost no product with the vocabulary and memory does not grow with the targets of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from orca_lightning.network.attention import Scope, apply
from orca_lightning.network.lean import narrows
from orca_lightning.network.model import Model
from orca_lightning.network.products import times_transposed

IGNORED = -100
"""The label of a target that does not count, as in ``torch.nn.functional.cross_entropy``."""
CHUNK = 512
"""Targets whose logits exist at once: 64 MB of them for 32,000 tokens."""
CACHED = 192
"""The same on a CPU, where logits are gone through several times: what its cache holds of 32,000 tokens."""
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
        if narrows(self.model):
            hidden: Tensor = self.model.get_decoder()(**told, wanted=predict).last_hidden_state[0]
        else:
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
    if not each and hidden.is_cuda and (liger := _liger()) is not None:
        return liger(hidden, head, labels)
    plain = hidden.is_cpu and hidden.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if plain and not each and torch.is_grad_enabled() and head.bias is None:
        return apply(_HeadLoss, hidden, head.weight, labels)
    parts = zip(torch.split(hidden, CHUNK), torch.split(labels, CHUNK), strict=True)
    reduction = "none" if each else "sum"
    if not torch.is_grad_enabled():
        losses = [_part(h, head, y, reduction) for h, y in parts]
    else:
        losses = [checkpoint(_part, h, head, y, reduction, use_reentrant=False) for h, y in parts]
    return torch.cat(losses) if each else torch.stack(losses).sum()


def _part(hidden: Tensor, head: nn.Linear, labels: Tensor, reduction: str) -> Tensor:
    return cross_entropy(head(hidden).float(), labels, reduction=reduction)


class _HeadLoss(torch.autograd.Function):
    """Product and summed cross-entropy in one: the gradients are made with the loss, while a chunk's logits are in the cache.

    torch's own (``linear_cross_entropy``) takes a tenth more time on a CPU, with its own choice of chunks two and a half as much.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        of_hidden, of_weight = torch.empty_like(hidden), torch.zeros_like(weight) if weight.requires_grad else None
        total = hidden.new_zeros(())
        for first in range(0, len(hidden), CACHED):
            here = slice(first, first + CACHED)
            counts, label = labels[here] != IGNORED, labels[here].clamp(min=0)[:, None]
            logits = times_transposed(hidden[here], weight)
            greatest, wanted = logits.amax(-1, keepdim=True), logits.gather(1, label)
            likelihoods = logits.sub_(greatest).exp_()
            sums = likelihoods.sum(-1, keepdim=True)
            total += ((sums.log() + greatest - wanted)[:, 0] * counts).sum()
            gradient = likelihoods.mul_(counts[:, None] / sums).scatter_add_(1, label, -counts[:, None].float())
            torch.mm(gradient, weight, out=of_hidden[here])
            if of_weight is not None:
                of_weight.addmm_(gradient.t(), hidden[here])
        ctx.save_for_backward(of_hidden, of_weight)
        return total

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> Any:
        of_hidden, of_weight = ctx.saved_tensors
        return of_hidden * scale, None if of_weight is None else of_weight * scale, None


@cache
def _liger() -> Callable[[Tensor, nn.Linear, Tensor], Tensor] | None:
    """Product and cross-entropy in one on a GPU, where liger-kernel is installed."""
    try:
        from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction as Liger
    except ImportError:
        return None
    return lambda h, head, y: Liger.apply(h, head.weight, y, head.bias, None, IGNORED, 0.0, 0.0, "sum")[0]
