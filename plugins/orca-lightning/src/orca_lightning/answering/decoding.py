"""How the next token is chosen, and what an answer consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Decoding:
    """How to choose tokens and when to stop."""

    max_new_tokens: int
    end: frozenset[int]
    positions: int
    """Prompt and answer together are no longer than this."""
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    """Makes tokens of prompt and answer less likely to come again (arXiv 1909.05858); 1: does not."""
    logprobs: bool = False
    """Whether answers tell how likely each of their tokens was."""


@dataclass(frozen=True)
class Answer:
    """What a prompt was continued with."""

    tokens: list[int] = field(default_factory=list)
    """The end token included, if it came."""
    logprobs: list[float] = field(default_factory=list)
    """Natural-log probability of each token under the model (temperature 1, all tokens allowed); empty unless asked for."""


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


def penalised(logits: Tensor, said: Sequence[Sequence[int]], penalty: float) -> Tensor:
    """Logits ``[rows, vocabulary]``, those of the tokens ``said`` in a row divided by ``penalty``, or multiplied where negative."""
    changed = logits.clone()
    for row, tokens in zip(changed, said, strict=True):
        known = torch.tensor(sorted(set(tokens)), device=logits.device)
        row[known] = torch.where(row[known] < 0, row[known] * penalty, row[known] / penalty)
    return changed


def _draw(weights: Tensor, drawn: Tensor) -> Tensor:
    """The column of each row in which its number ``drawn`` of [0, 1) falls, columns being as wide as their weights."""
    ends = weights.cumsum(-1)
    return torch.searchsorted(ends, drawn * ends[:, -1:], right=True)[:, 0].clamp(max=weights.shape[1] - 1)


def logprob(logits: Tensor, tokens: Tensor) -> Tensor:
    """Natural-log probability of a token of each row, ``[rows]``."""
    logits = logits.float()
    return logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
