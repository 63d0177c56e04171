"""A fitted student that answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from orca_core.records import FINISHED, Prompt, Trace
from orca_lightning.answering.decoding import Answer, Decoding
from orca_lightning.answering.generate import Room, generate
from orca_lightning.answering.likelihood import Asked, log_likelihoods
from orca_lightning.answering.with_vllm import VllmEngine
from orca_lightning.config import LightningConfig
from orca_lightning.network.lean import slim
from orca_lightning.network.model import load_model, parameters
from orca_lightning.text.encoding import encode_continuations, encode_prompts
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.worker import settings

_WINDOW = 16  # batches' worth of prompts that are looked through together for what they share


class LightningResponder:
    """Implements :class:`orca_core.protocols.Responder` with the model, tokenizer and template of a checkpoint."""

    def __init__(self, checkpoint: Path, config: LightningConfig, seed: int) -> None:
        settings(config)
        dtype = getattr(torch, config.generation.dtype)
        self.model, self.tokenizer = load_model(checkpoint, dtype=dtype).eval(), load_tokenizer(checkpoint)
        slim(self.model)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.vllm = VllmEngine(checkpoint, config.generation.dtype) if config.generation.engine == "vllm" else None
        self.config, self.seed = config.generation, seed
        self.name = f"{self.model.config.model_type}-{parameters(self.model)}"
        self.positions = self.model.config.max_position_embeddings
        ends = self.model.generation_config.eos_token_id
        self.ends = frozenset([self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])])

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """Answers, a window of prompts at a time, each as soon as it is there; see the protocol."""
        source = iter(prompts)
        while window := list(islice(source, _WINDOW * self.config.batch_size)):
            asked = list(zip(window, encode_prompts(self.tokenizer, window), strict=True))
            yield from self._generate([pair for pair in asked if not pair[0].choices])
            yield from self._score([pair for pair in asked if pair[0].choices])

    def _generate(self, asked: Sequence[tuple[Prompt, list[int]]]) -> Iterator[Trace]:
        """A prompt that leaves no room for an answer gets an empty one, cut off by length."""
        config = self.config
        fitting = [(prompt, ids) for prompt, ids in asked if len(ids) < self.positions]
        for prompt, ids in asked:
            if len(ids) >= self.positions:
                yield self._trace(prompt, len(ids), [])
        if not fitting:
            return
        decoding = Decoding(config.max_new_tokens, self.ends, self.positions, config.temperature, config.top_p)
        for number, answer in self._answers(fitting, decoding):
            prompt, ids = fitting[number]
            yield self._trace(prompt, len(ids), answer.tokens)

    def _answers(self, asked: Sequence[tuple[Prompt, list[int]]], decoding: Decoding) -> Iterator[tuple[int, Answer]]:
        """Sampling is seeded by prompt, not by batch."""
        seeds = [[self.seed, int(prompt.id, 16)] for prompt, _ in asked]
        ids = [ids for _, ids in asked]
        if self.vllm is not None:
            numbers = [int(np.random.SeedSequence(seed).generate_state(1)[0]) for seed in seeds]
            return self.vllm.generate(ids, decoding, numbers)
        room = Room(self.config.batch_size, self.config.batch_tokens)
        return generate(self.model, ids, decoding, [np.random.default_rng(seed) for seed in seeds], room=room)

    def _trace(self, prompt: Prompt, prompt_tokens: int, answer: list[int]) -> Trace:
        ended = bool(answer) and answer[-1] in self.ends
        decoding = {
            "temperature": self.config.temperature,
            "top_p": self.config.top_p,
            "max_new_tokens": self.config.max_new_tokens,
        }
        return Trace(
            prompt,
            self.tokenizer.decode(answer[:-1] if ended else answer, skip_special_tokens=True),
            model=self.name,
            finish_reason=FINISHED if ended else "length",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(answer),
            decoding=decoding,
        )

    def _score(self, asked: Sequence[tuple[Prompt, list[int]]]) -> Iterator[Trace]:
        """The log-likelihood of each choice; the likeliest one is the text of the answer."""
        if not asked:
            return
        choices = iter(
            encode_continuations(self.tokenizer, [choice for prompt, _ in asked for choice in prompt.choices])
        )
        questions = [Asked(ids, [next(choices) for _ in prompt.choices]) for prompt, ids in asked]
        for (prompt, ids), likelihoods in zip(asked, log_likelihoods(self.model, questions), strict=True):
            logprobs = [likelihood.logprob for likelihood in likelihoods]
            yield Trace(
                prompt,
                prompt.choices[int(np.argmax(logprobs))],
                model=self.name,
                prompt_tokens=len(ids),
                completion_tokens=0,
                choice_logprobs=tuple(logprobs),
            )
