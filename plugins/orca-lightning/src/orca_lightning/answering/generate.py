"""Answering: batched generation with a key-value memory, and log-likelihoods of given continuations.

Prompts are padded on the right, so the prompt pass is the causal attention of training, without a mask. New tokens take the
columns behind the longest prompt; each row's positions go on from its own length. A row that has ended leaves the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from orca_lightning.network.model import Model
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.steps import micro_batch

_GROW = 128  # columns that the memory grows by
_SCORE_TOKENS = 8192  # tokens of a forward pass that scores continuations


class Memory:
    """Keys and values of the tokens so far, and which columns each row of the batch may see.

    A layer's are ``[rows, heads, columns, size]``, with room for more columns; rows that have ended are left behind the others.
    """

    def __init__(self, lengths: Tensor) -> None:
        self.columns = int(lengths.max())
        self.visible = torch.arange(self.columns, device=lengths.device)[None] < lengths[:, None]
        self.layers: list[tuple[Tensor, Tensor]] = []
        self.prompted = False

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Remember the new keys and values; attend causally in the prompt pass, to the visible columns after it."""
        grouped = query.shape[1] != key.shape[1]
        if not self.prompted:
            self.layers.append((_room(key), _room(value)))
            out = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=grouped)
            return out.transpose(1, 2)
        keys, values = (t[: len(query), :, : self.columns] for t in self.layers[layer])
        keys[:, :, -1], values[:, :, -1] = key[:, :, 0], value[:, :, 0]
        mask = self.visible[:, None, None]
        out = scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale, enable_gqa=grouped)
        return out.transpose(1, 2)

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
    ids = pad_sequence([torch.tensor(prompt) for prompt in prompts], batch_first=True).to(model.device)
    memory = Memory(lengths)
    hidden = _forward(model, ids, torch.arange(ids.shape[1], device=model.device)[None], memory)
    logits = model.get_output_embeddings()(hidden[torch.arange(len(prompts)), lengths - 1])
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


@torch.inference_mode()
def log_likelihoods(model: Model, corpus: Corpus) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Natural-log likelihood of the part of each example behind its prompt, given the prompt: ``[examples]``."""
    from orca_lightning.network.loss import ResponseLoss

    loss = ResponseLoss(model)
    result = np.zeros(len(corpus))
    order = np.argsort(corpus.lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(np.cumsum(corpus.lengths[order]) // _SCORE_TOKENS)) + 1
    for items in np.split(order, cuts):
        batch = micro_batch(corpus, items).to(model.device)
        losses = loss(*batch.inputs, each=True).double().numpy(force=True)
        owners = np.repeat(items, corpus.targets[items])
        np.subtract.at(result, owners, losses[: len(owners)])
    return result
