"""A fitted student that answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch

from orca_core.records import FINISHED, Prompt, Trace
from orca_core.records import Decoding as Demands
from orca_lightning.answering.allocation import keep_freed
from orca_lightning.answering.decoding import Answer, Decoding
from orca_lightning.answering.generate import Room, generate
from orca_lightning.answering.likelihood import Asked, log_likelihoods
from orca_lightning.answering.wish import Wish
from orca_lightning.answering.with_vllm import VllmEngine
from orca_lightning.config import LightningConfig
from orca_lightning.network.lean import slim
from orca_lightning.network.model import load_model, parameters
from orca_lightning.text.asked import encode_asked
from orca_lightning.text.encoding import Form
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.worker import settings

_WINDOW = 16  # batches' worth of prompts that are looked through together for what they share


class LightningResponder:
    """Implements :class:`orca_core.protocols.Responder` with the model, tokenizer and template of a checkpoint."""

    def __init__(self, checkpoint: Path, config: LightningConfig, seed: int) -> None:
        settings(config)
        keep_freed()
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
            encoded = encode_asked(self.tokenizer, self.form, window)
            asked = [(prompt, ids, choices) for prompt, (ids, choices) in zip(window, encoded, strict=True)]
            written = [(prompt, ids) for prompt, ids, choices in asked if not choices]
            for demands, pairs in groupby(written, key=lambda pair: pair[0].decoding):
                yield from self._generate(list(pairs), demands)
            yield from self._score([one for one in asked if one[2]])

    def _generate(self, asked: Sequence[tuple[Prompt, list[int]]], demands: Demands) -> Iterator[Trace]:
        """A prompt that leaves no room for an answer gets an empty one, cut off by length; raw text loses its beginning instead."""
        wish = self._wish(demands)
        room = self.positions - wish.decoding.max_new_tokens
        if demands.get("raw") and room > 0:
            asked = [(prompt, ids[-room:]) for prompt, ids in asked]
        fitting = [(prompt, ids) for prompt, ids in asked if len(ids) < self.positions]
        for prompt, ids in asked:
            if len(ids) >= self.positions:
                yield self._trace(prompt, len(ids), Answer(), wish)
        if not fitting:
            return
        for number, answer in self._answers(fitting, wish):
            prompt, ids = fitting[number]
            yield self._trace(prompt, len(ids), answer, wish)

    def _wish(self, demands: Demands) -> Wish:
        """Where tokens are drawn, answers tell how likely they were: that costs little, and greedy ones need none of it."""
        config = self.config
        temperature = demands.get("temperature", config.temperature)
        return Wish(
            Decoding(
                demands.get("max_tokens", config.max_new_tokens),
                self.ends,
                self.positions,
                temperature,
                config.top_p,
                logprobs=temperature > 0,
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

    def _trace(self, prompt: Prompt, prompt_tokens: int, answer: Answer, wish: Wish) -> Trace:
        tokens = answer.tokens
        ended = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True)
        cut = wish.cut(text if prompt.decoding.get("raw") else self.form.bare(text))
        return Trace(
            prompt,
            cut,
            model=self.name,
            finish_reason=FINISHED if ended or wish.stops(text) else "length",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(tokens),
            decoding=wish.told,
            logprob=sum(answer.logprobs) if answer.logprobs else None,
        )

    def _score(self, asked: Sequence[tuple[Prompt, list[int], list[list[int]]]]) -> Iterator[Trace]:
        """The log-likelihood of each choice; the likeliest one is the text of the answer."""
        if not asked:
            return
        questions = [question for _, ids, choices in asked for question in self._fitting(ids, choices)]
        found = iter([one for likelihoods in log_likelihoods(self.model, questions) for one in likelihoods])
        for prompt, ids, choices in asked:
            likelihoods = [next(found) for _ in choices]
            logprobs = [likelihood.logprob for likelihood in likelihoods]
            yield Trace(
                prompt,
                prompt.choices[int(np.argmax(logprobs))],
                model=self.name,
                prompt_tokens=len(ids),
                completion_tokens=0,
                choice_logprobs=tuple(logprobs),
                choice_greedy=tuple(likelihood.greedy for likelihood in likelihoods),
            )

    def _fitting(self, ids: list[int], choices: list[list[int]]) -> Iterator[Asked]:
        """One question, or, where the context is too short for it, one for each choice, behind as much of the prompt's end as fits.

        The last token of a choice takes no place, as nothing is read behind it.
        """
        room = self.positions + 1
        if len(ids) + max(map(len, choices)) <= room:
            yield Asked(ids, choices)
        else:
            yield from (Asked(ids[-max(1, room - len(choice)) :], [choice]) for choice in choices)
