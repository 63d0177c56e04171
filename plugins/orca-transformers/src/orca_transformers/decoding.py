"""Choosing tokens so that an answer's randomness is its own, whoever shares the batch; and ending at given strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria


class SeededSampling(LogitsProcessor):
    """Leaves one token a row: drawn from the nucleus by the row's own stream of random numbers."""

    def __init__(self, temperature: float, top_p: float, seeds: Sequence[int], start: int, room: int) -> None:
        self.temperature, self.top_p, self.start = temperature, top_p, start
        self.draws = torch.tensor(np.stack([np.random.default_rng(seed).random(room) for seed in seeds]))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        drawn = self.draws[:, input_ids.shape[1] - self.start, None].to(scores.device, torch.float32)
        probabilities, tokens = (scores.float() / self.temperature).softmax(-1).sort(-1, descending=True)
        before = probabilities.cumsum(-1) - probabilities
        ends = (probabilities * (before < self.top_p)).cumsum(-1)
        column = torch.searchsorted(
            ends, drawn * ends[:, -1:]
        )  # the first whose end is not below: never one without weight
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens.gather(1, column), 0.0)


class StopStrings(StoppingCriteria):
    """Ends a row whose answer, not its prompt, contains one of the strings."""

    def __init__(self, tokenizer: Any, stops: Sequence[str], start: int) -> None:
        self.tokenizer, self.stops, self.start = tokenizer, stops, start
        # A token is at least a byte of text; some more, as the first of a text may lose the blank before it.
        self.tail = max(len(stop.encode()) for stop in stops) + 4

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        tails = input_ids[:, max(self.start, input_ids.shape[1] - self.tail) :].tolist()
        texts = self.tokenizer.batch_decode(tails, skip_special_tokens=True)
        return torch.tensor([any(stop in text for stop in self.stops) for text in texts], device=input_ids.device)
