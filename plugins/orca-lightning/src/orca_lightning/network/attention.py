"""Attention among the tokens of one document, for documents laid end to end without padding.

transformers recognises packed rows by their positions only as long as nothing else hides them (a cache, an attention mask of
ones), and is silently wrong otherwise. Here the boundaries are told: a :class:`Scope` travels as a keyword argument of the
forward pass to the attention function registered here, and a pass without one is an error.

:class:`Documents` is the scope of packed rows. Documents of similar length are gathered into a right-padded tensor, one
causal attention runs over it, and the result is scattered back. That is exact: a causal query never sees what is on its right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

NAME = "orca_scoped"
"""The value for ``attn_implementation``; importing this module makes it known to transformers."""
_SPREAD = 1.25  # the longest document of a group is at most so many times its shortest


@dataclass(frozen=True)
class Documents:
    """Where the documents of a flattened batch of ``tokens`` tokens lie, and where they go in the padded groups."""

    groups: tuple[tuple[int, int], ...]
    """(documents, longest) of each group of similar lengths; a group takes their product in slots."""
    gather: Tensor
    """``[slots]``: the token that a slot takes; padding takes token 0, whose value does not matter."""
    scatter: Tensor
    """``[tokens]``: the slot where a token lies."""
    ungather: Tensor
    """``[slots]``: as ``gather``, but padding takes row ``tokens``, one beyond the end (a row of zeros, for gradients)."""
    bounds: Tensor
    """``[documents + 1]``, 32-bit: where each document begins, and the end of the last."""
    longest: int
    """Tokens of the longest document."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Causal attention within each document, as :class:`Scope` says; the batch is one flat row."""
        _, heads, tokens, size = query.shape
        if takes_bounds(query):
            return attend_by_bounds(self, query, key, value, scale)
        flat = (t.transpose(1, 2).reshape(tokens, -1) for t in (query, key, value))
        return apply(_DocumentAttention, *flat, self, size, scale).view(1, tokens, heads, size)

    def to(self, device: torch.device) -> Documents:
        """The same on another device."""
        names = ("gather", "scatter", "ungather", "bounds")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def takes_bounds(query: Tensor) -> bool:
    """Whether torch's attention for sequences of varying length can be used: 16-bit numbers on a GPU, and torch 2.13."""
    return query.is_cuda and query.dtype in (torch.bfloat16, torch.float16) and torch.__version__ >= "2.13"


def attend_by_bounds(layout: Documents, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """The attention of :meth:`Documents.attend` without a gather or any padding, by a kernel that is told the bounds."""
    from torch.nn.attention.varlen import varlen_attn

    flat = [t[0].transpose(0, 1).contiguous() for t in (query, key, value)]  # [tokens, heads, size]
    grouped = query.shape[1] != key.shape[1]
    causal = (-1, 0)  # any number of tokens before, none after
    bounds, longest = layout.bounds, layout.longest
    kernel: Any = varlen_attn
    out = kernel(*flat, bounds, bounds, longest, longest, scale=scale, window_size=causal, enable_gqa=grouped)
    return cast(Tensor, out)[None]


def documents(lengths: npt.NDArray[np.int64]) -> Documents:
    """The layout of documents of these lengths, ``[documents]`` in the order in which they lie."""
    order = np.argsort(lengths, kind="stable")
    starts = np.cumsum(lengths) - lengths
    tokens = int(lengths.sum())
    scatter = np.empty(tokens, dtype=np.int64)
    groups, gathers, slots = [], [], 0
    for members in _groups(lengths, order):
        longest = int(lengths[members[-1]])
        column = np.arange(longest)
        inside = column < lengths[members, None]
        gather = np.where(inside, starts[members, None] + column, tokens)
        scatter[gather[inside]] = slots + np.flatnonzero(inside)
        groups.append((len(members), longest))
        gathers.append(gather.reshape(-1))
        slots += gather.size
    ungather = np.concatenate(gathers)
    gather = np.where(ungather == tokens, 0, ungather)
    bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    to, back, zeros, ends = (torch.from_numpy(a) for a in (gather, scatter, ungather, bounds))
    return Documents(tuple(groups), to, back, zeros, ends, int(lengths.max()))


def _groups(lengths: npt.NDArray[np.int64], order: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Documents in order of length, cut where the spread would grow too large."""
    first = 0
    for i in range(1, len(order) + 1):
        if i == len(order) or lengths[order[i]] > max(_SPREAD * lengths[order[first]], 16):
            yield order[first:i]
            first = i


class _DocumentAttention(torch.autograd.Function):
    """One node from flat queries, keys, values ``[tokens, heads * size]`` to flat outputs.

    As one node, the gathers' gradients are gathers too (no additions by index), and the products inside keep their precision:
    on CPUs, reduced-precision products make the attention kernel several times slower.
    """

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: Documents, size: int, scale: float
    ) -> Tensor:
        slots = [count * longest for count, longest in layout.groups]
        parts = [
            [part.detach().requires_grad_() for part in torch.split(flat.index_select(0, layout.gather), slots)]
            for flat in (query, key, value)
        ]
        with torch.enable_grad(), _precise():
            grouped = zip(layout.groups, zip(*parts, strict=True), strict=True)
            padded = torch.cat([_attend(group, qkv, size, scale) for group, qkv in grouped])
        ctx.layout, ctx.parts, ctx.padded = layout, parts, padded
        return padded.detach().index_select(0, layout.scatter)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        zeros = gradient.new_zeros(1, gradient.shape[1])
        padded = torch.cat([gradient, zeros]).index_select(0, ctx.layout.ungather)
        with _precise():
            gradients = torch.autograd.grad(ctx.padded, [part for parts in ctx.parts for part in parts], padded)
        groups, scatter = len(ctx.layout.groups), ctx.layout.scatter
        del ctx.parts, ctx.padded
        flat = (torch.cat(gradients[i * groups : (i + 1) * groups]).index_select(0, scatter) for i in range(3))
        return *flat, None, None, None


def _attend(group: tuple[int, int], flat: Sequence[Tensor], size: int, scale: float) -> Tensor:
    """Causal attention in a group of documents: ``[slots, heads * size]``."""
    query, key, value = (t.view(*group, -1, size).transpose(1, 2) for t in flat)
    grouped = query.shape[1] != key.shape[1]
    out = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)
    return out.transpose(1, 2).reshape(group[0] * group[1], -1)


@contextmanager
def _precise() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class Scope(Protocol):
    """What the queries of a forward pass may see; passed to it as ``scope=``."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attention of one layer: ``[batch, heads, tokens, size]`` to ``[batch, tokens, heads, size]``; keys may have fewer heads."""
        ...


def scoped_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    scope: Scope | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention function of transformers' interface: leaves it to the scope.

    Raises:
        ValueError: no scope was given, so the boundaries are unknown.
    """
    if scope is None or attention_mask is not None:
        raise ValueError(
            f"attention '{NAME}' takes scope=, not an attention mask: call the model through orca_lightning"
        )
    return scope.attend(module.layer_idx, query, key, value, scaling), None


def apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    """An autograd function's result, typed (torch leaves ``apply`` without types)."""
    untyped: Any = function.apply
    return cast(Tensor, untyped(*inputs))


AttentionInterface.register(NAME, scoped_attention)
AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)
