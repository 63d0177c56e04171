"""The key-value memory of rows that are being answered, and what the passes that fill it may see.

A row has a slot; its token at position ``p`` lies in column ``p`` of it. Slots are taken from the front, so that the rows at
work are a view, not a copy; what ended rows leave is overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

GROW = 128  # columns that the memory grows by, at least
NEIGHBOURS = 16  # rows whose columns are looked through together, as many as the longest of them has
Layers = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of each layer, ``[rows, heads, columns, size]``."""


@dataclass
class Memory:
    """Room for ``slots`` rows; columns are added as they are needed, a quarter more at a time."""

    slots: int
    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    columns: int = 0

    def reserve(self, columns: int) -> None:
        """Make room for rows of so many tokens."""
        if columns <= self.columns:
            return
        self.columns = max(columns, self.columns + max(GROW, self.columns // 4))
        self.layers = [(self._roomy(keys), self._roomy(values)) for keys, values in self.layers]

    def _roomy(self, states: Tensor) -> Tensor:
        rows, heads, columns, size = states.shape
        room = states.new_zeros(rows, heads, self.columns, size)
        room[:, :, :columns] = states
        return room

    def layer(self, number: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer, made when the first pass reaches it."""
        if number == len(self.layers):
            _, heads, _, size = like.shape
            shape = (self.slots, heads, self.columns, size)
            self.layers.append((like.new_zeros(shape), like.new_zeros(shape)))
        return self.layers[number]

    def begin(self, first: int, rows: int, shared: Layers, tokens: int) -> None:
        """Let rows from slot ``first`` on begin with what was shared: its keys and values, of one row and ``tokens`` columns."""
        for number, (keys, values) in enumerate(shared):
            for mine, theirs in zip(self.layer(number, keys), (keys, values), strict=True):
                mine[first : first + rows, :, :tokens] = theirs[:, :, :tokens]

    def move(self, sources: Sequence[int], targets: Sequence[int], columns: int) -> None:
        """Copy the first columns of some slots into others."""
        for states in (t for layer in self.layers for t in layer):
            states[targets, :, :columns] = states[sources, :, :columns]


@dataclass(frozen=True)
class Opening:
    """The scope of a pass over the beginnings of rows: ``tokens`` new ones each behind ``start`` that are remembered.

    Shorter rows are padded on the right: what that leaves in the memory lies beyond their end and is overwritten before it
    is seen.
    """

    memory: Memory
    first: int
    """The slot of the first row."""
    start: int
    last: Tensor
    """``[rows]``: the last new token of each, which is kept."""

    @property
    def keep(self) -> tuple[Tensor, Tensor]:
        """As :class:`orca_lightning.answering.reading.Reading` says."""
        return torch.arange(len(self.last), device=self.last.device), self.last

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.network.attention.Scope` says."""
        key, value = self._remember(layer, key, value)
        if not self.start:
            return attention(query, key, value, scale, causal=True)
        seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril(self.start)
        return attention(query, key, value, scale, seen)

    def attend_kept(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.answering.reading.Reading` says."""
        key, value = self._remember(layer, key, value)
        seen = torch.arange(key.shape[2], device=query.device) <= self.start + self.last[:, None]
        return attention(query[:, :, None], key, value, scale, seen[:, None, None])[:, 0]

    def _remember(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values of the rows, the new ones among them."""
        rows, _, tokens, _ = key.shape
        here, end = slice(self.first, self.first + rows), self.start + tokens
        keys, values = self.memory.layer(layer, key)
        keys[here, :, self.start : end], values[here, :, self.start : end] = key, value
        return (keys[here, :, :end], values[here, :, :end]) if self.start else (key, value)


@dataclass(frozen=True)
class Next:
    """The scope of a pass over one token a row, the rows being the first slots of the memory."""

    memory: Memory
    positions: Tensor
    """``[rows]``: of the new tokens."""
    columns: Sequence[int]
    """Of every ``NEIGHBOURS`` rows, the columns that the longest of them has."""
    mask: Tensor
    """``[rows, 1, 1, columns]``, added to the scores: 0 where a column is seen, else minus infinity."""

    @property
    def keep(self) -> tuple[Tensor, Tensor]:
        """As :class:`orca_lightning.answering.reading.Reading` says."""
        rows = torch.arange(len(self.positions), device=self.positions.device)
        return rows, torch.zeros_like(rows)

    def attend_kept(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.answering.reading.Reading` says."""
        return self.attend(layer, query[:, :, None], key, value, scale)[:, 0]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.network.attention.Scope` says."""
        rows, heads, _, size = key.shape
        keys, values = self.memory.layer(layer, key)
        every = torch.arange(rows, device=key.device)
        keys[every, :, self.positions], values[every, :, self.positions] = key[:, :, 0], value[:, :, 0]
        # query heads that share a key head are its queries, so that keys are not repeated for them
        grouped = query.reshape(rows, heads, -1, size)
        parts = []
        for place, columns in enumerate(self.columns):
            here = slice(place * NEIGHBOURS, min(rows, (place + 1) * NEIGHBOURS))
            k, v = (t[here, :, :columns] for t in (keys, values))
            parts.append(attention(grouped[here], k, v, scale, self.mask[here, ..., :columns]))
        return torch.cat(parts).transpose(1, 2).reshape(rows, 1, -1, size)


def next_scope(memory: Memory, positions: Tensor, lengths: Sequence[int], dtype: torch.dtype) -> Next:
    """The scope for the last token of rows of these lengths, ``[rows]``; ``positions`` are one less, on the device."""
    columns = [max(lengths[i : i + NEIGHBOURS]) for i in range(0, len(lengths), NEIGHBOURS)]
    unseen = torch.arange(max(columns), device=positions.device)[None] > positions[:, None]
    mask = torch.zeros(unseen.shape, dtype=dtype, device=positions.device).masked_fill_(unseen, -torch.inf)
    return Next(memory, positions, columns, mask[:, None, None])


def attention(
    query: Tensor, key: Tensor, value: Tensor, scale: float, mask: Tensor | None = None, *, causal: bool = False
) -> Tensor:
    """``[rows, heads, tokens, size]`` to ``[rows, tokens, heads, size]``; keys may have fewer heads."""
    grouped = query.shape[1] != key.shape[1]
    out = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=grouped
    )
    return out.transpose(1, 2)
