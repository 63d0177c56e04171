"""A fitted student that answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch

from orca_core.records import FINISHED, Prompt, Trace
from orca_core.records import Decoding as Demands
from orca_lightning.answering.decoding import Answer, Decoding
from orca_lightning.answering.generate import Room, generate
from orca_lightning.answering.likelihood import Asked, log_likelihoods
from orca_lightning.answering.wish import Wish
from orca_lightning.answering.with_vllm import VllmEngine
from orca_lightning.config import LightningConfig
from orca_lightning.network.lean import slim
from orca_lightning.network.model import load_model, parameters
from orca_lightning.text.encoding import Form, encode_continuations, encode_prompts
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.worker import settings

_WINDOW = 16  # batches' worth of prompts that are looked through together for what they share


class LightningResponder:
    """Implements :class:`orca_core.protocols.Responder` with the model, tokenizer and template of a checkpoint."""

    def __init__(self, checkpoint: Path, config: LightningConfig, seed: int) -> None:
        settings(config)
        dtype = getattr(torch, config.generation.dtype)
        self.model, self.tokenizer = load_model(checkpoint, dtype=dtype).eval(), load_tokenizer(checkpoint)
        self.form = Form.of(self.tokenizer)
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
            written = [pair for pair in asked if not pair[0].choices]
            for demands, pairs in groupby(written, key=lambda pair: pair[0].decoding):
                yield from self._generate(list(pairs), demands)
            yield from self._score([pair for pair in asked if pair[0].choices])

    def _generate(self, asked: Sequence[tuple[Prompt, list[int]]], demands: Demands) -> Iterator[Trace]:
        """A prompt that leaves no room for an answer gets an empty one, cut off by length."""
        wish = self._wish(demands)
        fitting = [(prompt, ids) for prompt, ids in asked if len(ids) < self.positions]
        for prompt, ids in asked:
            if len(ids) >= self.positions:
                yield self._trace(prompt, len(ids), [], wish)
        if not fitting:
            return
        for number, answer in self._answers(fitting, wish):
            prompt, ids = fitting[number]
            yield self._trace(prompt, len(ids), answer.tokens, wish)

    def _wish(self, demands: Demands) -> Wish:
        config = self.config
        return Wish(
            Decoding(
                demands.get("max_tokens", config.max_new_tokens),
                self.ends,
                self.positions,
                demands.get("temperature", config.temperature),
                config.top_p,
            ),
            tuple(demands.get("stop", ())),
        )

    def _answers(self, asked: Sequence[tuple[Prompt, list[int]]], wish: Wish) -> Iterator[tuple[int, Answer]]:
        """Sampling is seeded by prompt, not by batch."""
        decoding = wish.decoding
        seeds = [[self.seed, int(prompt.id, 16)] for prompt, _ in asked]
        ids = [ids for _, ids in asked]
        if self.vllm is not None:
            numbers = [int(np.random.SeedSequence(seed).generate_state(1)[0]) for seed in seeds]
            return self.vllm.generate(ids, decoding, numbers)
        room = Room(self.config.batch_size, self.config.batch_tokens)
        draws = [np.random.default_rng(seed) for seed in seeds]
        return generate(self.model, ids, decoding, draws, room=room, stop=wish.stopped(self.tokenizer))

    def _trace(self, prompt: Prompt, prompt_tokens: int, answer: list[int], wish: Wish) -> Trace:
        ended = bool(answer) and answer[-1] in self.ends
        text = self.tokenizer.decode(answer[:-1] if ended else answer, skip_special_tokens=True)
        cut = wish.cut(self.form.bare(text))
        return Trace(
            prompt,
            cut,
            model=self.name,
            finish_reason=FINISHED if ended or wish.stops(text) else "length",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(answer),
            decoding=wish.told,
        )

    def _score(self, asked: Sequence[tuple[Prompt, list[int]]]) -> Iterator[Trace]:
        """The log-likelihood of each choice; the likeliest one is the text of the answer."""
        if not asked:
            return
        texts = [self.form.lead + choice for prompt, _ in asked for choice in prompt.choices]
        choices = iter(encode_continuations(self.tokenizer, texts))
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
