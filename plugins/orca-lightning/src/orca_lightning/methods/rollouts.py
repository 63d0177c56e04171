"""A policy's own answers, many prompts and several answers a prompt at a time (:mod:`orca_lightning.answering.generate`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from orca_lightning.answering.decoding import Decoding
from orca_lightning.answering.generate import Room, Stop, generate
from orca_lightning.answering.prefixes import Ids
from orca_lightning.job import tell
from orca_lightning.network.model import Model
from orca_lightning.text.encoding import Form
from orca_lightning.text.tokenizer import Tokenizer

_TOLD_EVERY = 10.0  # seconds


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn."""

    count: int
    """Answers to each prompt."""
    max_new_tokens: int
    positions: int
    """Prompt and answer together are no longer than this."""
    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    repetition_penalty: float = 1.0


@dataclass(frozen=True)
class Rollout:
    """An answer of the policy's own."""

    tokens: tuple[int, ...]
    """The end token included, if it came."""
    text: str
    """Without end token and the template's blanks."""
    ended: bool
    """Whether it came to its end; otherwise it was cut off, or stopped."""
    logprobs: tuple[float, ...]
    """Natural-log probability of each token under the policy (temperature 1, all tokens allowed)."""


def rollouts(
    model: Model,
    tokenizer: Tokenizer,
    prompts: Sequence[Ids],
    seeds: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    room: Room | None = None,
    stop: Callable[[Sequence[int]], bool] | None = None,
) -> list[list[Rollout]]:
    """``sampling.count`` answers to each prompt; none to a prompt that leaves no room for one.

    Answers depend on weights, prompt and seed, not on the other prompts (beyond rounding). The model is in evaluation mode
    meanwhile, and computes in the numbers of its weights. What takes long is told of (:func:`orca_lightning.job.tell`).

    Args:
        model: attends by scope (:mod:`orca_lightning.network.attention`).
        tokenizer: ends and decodes answers.
        prompts: token ids, none empty.
        seeds: of each prompt; the number of the answer is added.
        sampling: how to draw.
        room: how much is worked on at the same time; None: 64 answers.
        stop: whether an answer is complete, given its tokens so far; asked after each.
    """
    form, ends = Form.of(tokenizer), _ends(model, tokenizer)
    decoding = Decoding(
        sampling.max_new_tokens,
        ends,
        sampling.positions,
        sampling.temperature,
        sampling.top_p,
        sampling.repetition_penalty,
        logprobs=True,
    )
    jobs = [
        (i, k) for i, prompt in enumerate(prompts) if len(prompt) < sampling.positions for k in range(sampling.count)
    ]
    asked, draws = [prompts[i] for i, _ in jobs], [np.random.default_rng([*seeds[i], k]) for i, k in jobs]
    found: dict[tuple[int, int], Rollout] = {}
    training = model.training
    start = told = time.monotonic()
    model.eval()
    try:
        with torch.autocast(model.device.type, enabled=False):
            written = generate(model, asked, decoding, draws, room=room or Room(), stop=stop and _by_tokens(stop))
            for number, answer in written if asked else ():
                ended = answer.tokens[-1] in ends
                text = tokenizer.decode(answer.tokens[:-1] if ended else answer.tokens, skip_special_tokens=True)
                found[jobs[number]] = Rollout(tuple(answer.tokens), form.bare(text), ended, tuple(answer.logprobs))
                if (now := time.monotonic()) - told >= _TOLD_EVERY:
                    told = now
                    tell(answers=len(found), of=len(jobs), seconds=now - start)
    finally:
        model.train(training)
    return [[found[i, k] for k in range(sampling.count) if (i, k) in found] for i in range(len(prompts))]


def _ends(model: Model, tokenizer: Tokenizer) -> frozenset[int]:
    more = model.generation_config.eos_token_id
    return frozenset([tokenizer.eos_token_id, *(more if isinstance(more, list) else [more])])


def _by_tokens(stop: Callable[[Sequence[int]], bool]) -> Stop:
    return lambda number, tokens: stop(tokens)
