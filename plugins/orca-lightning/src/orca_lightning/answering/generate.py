"""Answering: batched generation with a key-value memory.

What all prompts of a batch begin with is run once, and so is a prompt that is asked several times. The rest is padded on the
right, so attention in it is causal. New tokens take the columns behind the longest prompt; each row's positions go on from its
own length. A row that has ended leaves the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from orca_lightning.network.model import Model

_GROW = 128  # columns that the memory grows by
SHARED = 32
"""Tokens that a common beginning must have to be run by itself."""


class Memory:
    """Keys and values of the tokens so far, and which columns each row of the batch may see.

    A layer's are ``[rows, heads, columns, size]``, with room for more columns; rows that have ended are left behind the others.
    """

    def __init__(self, lengths: Tensor) -> None:
        self.columns = int(lengths.max())
        self.visible = torch.arange(self.columns, device=lengths.device)[None] < lengths[:, None]
        self.layers: list[tuple[Tensor, Tensor]] = []
        self.begun = 0
        """Columns of the common beginning, in one row for all, until the prompts themselves have been run."""
        self.prompted = False

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Remember the new keys and values; attend causally in the prompt passes, to the visible columns after them."""
        if not self.prompted:
            return self._attend_in_prompt(layer, query, key, value, scale)
        grouped = query.shape[1] != key.shape[1]
        keys, values = (t[: len(query), :, : self.columns] for t in self.layers[layer])
        keys[:, :, -1], values[:, :, -1] = key[:, :, 0], value[:, :, 0]
        mask = self.visible[:, None, None]
        out = scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale, enable_gqa=grouped)
        return out.transpose(1, 2)

    def _attend_in_prompt(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        grouped, seen = query.shape[1] != key.shape[1], None
        if self.begun:
            before = (t.expand(len(query), -1, -1, -1) for t in self.layers[layer])
            key, value = (torch.cat([old, new], dim=2) for old, new in zip(before, (key, value), strict=True))
            seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=key.device).tril(self.begun)
            self.layers[layer] = key, value
        else:
            self.layers.append((key, value))
        out = scaled_dot_product_attention(
            query, key, value, attn_mask=seen, is_causal=seen is None, scale=scale, enable_gqa=grouped
        )
        return out.transpose(1, 2)

    def begin(self, columns: int) -> None:
        """The common beginning has been run: the prompts go on from there."""
        self.begun = columns

    def spread(self, rows: Tensor) -> None:
        """The prompts have been run: row ``i`` of the batch goes on with that of prompt ``rows[i]``, with room for more."""
        self.visible = self.visible[rows]
        self.layers = [(_room(keys[rows]), _room(values[rows])) for keys, values in self.layers]

    def advance(self) -> None:
        """Open the column of the next token."""
        self.prompted = True
        self.columns += 1
        self.visible = torch.cat([self.visible, self.visible.new_ones(len(self.visible), 1)], dim=1)
        if self.layers[0][0].shape[2] < self.columns:
            self.layers = [(_room(keys), _room(values)) for keys, values in self.layers]

    def keep(self, going: Sequence[int]) -> list[int]:
        """Go on with these rows alone, in the returned order: rows from the end move into the gaps, the others stay in place."""
        count, stay = len(going), set(going)
        gaps = [slot for slot in range(count) if slot not in stay]
        movers = [row for row in going if row >= count]
        for states in (*(t for layer in self.layers for t in layer), self.visible):
            states[gaps] = states[movers]
        self.visible = self.visible[:count]
        moved = dict(zip(gaps, movers, strict=True))
        return [moved.get(slot, slot) for slot in range(count)]


def _room(states: Tensor) -> Tensor:
    """A copy with free columns behind."""
    rows, heads, columns, size = states.shape
    room = states.new_zeros(rows, heads, columns + _GROW, size)
    room[:, :, :columns] = states
    return room


@dataclass(frozen=True)
class Decoding:
    """How to choose tokens and when to stop."""

    max_new_tokens: int
    end: frozenset[int]
    positions: int
    """Prompt and answer together are no longer than this."""
    temperature: float = 0.0
    top_p: float = 1.0


@torch.inference_mode()
def generate(
    model: Model, prompts: Sequence[Sequence[int]], decoding: Decoding, draws: Sequence[np.random.Generator]
) -> list[list[int]]:
    """Continue each prompt until an end token (kept), ``max_new_tokens`` or the last position.

    Args:
        model: attends by scope.
        prompts: token ids, none empty, all shorter than the positions; best of similar length.
        decoding: how to choose tokens and when to stop.
        draws: a source of randomness per prompt, so that what is sampled does not depend on the batch.
    """
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=model.device)
    memory, logits = _read(model, prompts)
    room = [min(decoding.max_new_tokens, decoding.positions - len(prompt)) for prompt in prompts]
    answers: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))
    while True:
        tokens = choose(logits, decoding, [draws[row] for row in alive])
        for row, token in zip(alive, tokens.tolist(), strict=True):
            answers[row].append(token)
        going = [i for i, r in enumerate(alive) if answers[r][-1] not in decoding.end and len(answers[r]) < room[r]]
        if not going:
            return answers
        if len(going) < len(alive):
            order = memory.keep(going)
            tokens, lengths, alive = tokens[order], lengths[order], [alive[i] for i in order]
        memory.advance()
        logits = model.get_output_embeddings()(_forward(model, tokens[:, None], lengths[:, None], memory)[:, 0])
        lengths = lengths + 1


def _read(model: Model, prompts: Sequence[Sequence[int]]) -> tuple[Memory, Tensor]:
    """Run the prompts: the memory of all rows, and the logits behind each prompt, ``[rows, vocabulary]``."""
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    least, greatest = min(distinct), max(distinct)  # what these two begin with, all do
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(least, greatest, strict=False)))
    shared = min(same, min(map(len, distinct)) - 1)  # the end of a prompt is run with its row: it predicts the answer
    shared = shared if shared >= SHARED and len(distinct) > 1 else 0
    lengths = torch.tensor([len(prompt) for prompt in distinct], device=model.device)
    memory = Memory(lengths)
    if shared:
        first = torch.tensor([distinct[0][:shared]], device=model.device)
        _forward(model, first, torch.arange(shared, device=model.device)[None], memory)
        memory.begin(shared)
    ids = pad_sequence([torch.tensor(prompt[shared:]) for prompt in distinct], batch_first=True).to(model.device)
    positions = torch.arange(shared, shared + ids.shape[1], device=model.device)[None]
    hidden = _forward(model, ids, positions, memory)
    last = hidden[torch.arange(len(distinct)), lengths - shared - 1]
    place = {prompt: row for row, prompt in enumerate(distinct)}
    rows = torch.tensor([place[tuple(prompt)] for prompt in prompts], device=model.device)
    memory.spread(rows)
    return memory, model.get_output_embeddings()(last)[rows]


def _forward(model: Model, ids: Tensor, positions: Tensor, memory: Memory) -> Tensor:
    decoder = model.get_decoder()
    hidden: Tensor = decoder(input_ids=ids, position_ids=positions, scope=memory, use_cache=False).last_hidden_state
    return hidden


def choose(logits: Tensor, decoding: Decoding, draws: Sequence[np.random.Generator]) -> Tensor:
    """The next token of each row, ``[rows]``, from logits ``[rows, vocabulary]``."""
    if decoding.temperature == 0:
        return logits.argmax(-1)
    probabilities = (logits.float() / decoding.temperature).softmax(-1)
    drawn = torch.tensor([[draw.random()] for draw in draws], device=logits.device, dtype=probabilities.dtype)
    if decoding.top_p == 1:
        return _draw(probabilities, drawn)
    sorted_, tokens = probabilities.sort(-1, descending=True)
    return tokens.gather(1, _draw(sorted_ * (sorted_.cumsum(-1) - sorted_ < decoding.top_p), drawn)[:, None])[:, 0]


def _draw(weights: Tensor, drawn: Tensor) -> Tensor:
    """The column of each row in which its number ``drawn`` of [0, 1) falls, columns being as wide as their weights."""
    ends = weights.cumsum(-1)
    return torch.searchsorted(ends, drawn * ends[:, -1:], right=True)[:, 0].clamp(max=weights.shape[1] - 1)
