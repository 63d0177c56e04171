"""A fitted student that answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from orca_core.records import FINISHED, Prompt, Trace
from orca_lightning.answering.generate import Decoding, generate, log_likelihoods
from orca_lightning.config import LightningConfig
from orca_lightning.network.lean import slim
from orca_lightning.network.model import load_model, parameters
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.encoding import encode_continuations, encode_prompts
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.worker import settings

_WINDOW = 16  # batches' worth of prompts that are sorted by length together


class LightningResponder:
    """Implements :class:`orca_core.protocols.Responder` with the model, tokenizer and template of a checkpoint."""

    def __init__(self, checkpoint: Path, config: LightningConfig, seed: int) -> None:
        settings(config)
        self.model, self.tokenizer = load_model(checkpoint).eval(), load_tokenizer(checkpoint)
        slim(self.model)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self.config, self.seed = config.generation, seed
        self.name = f"{self.model.config.model_type}-{parameters(self.model)}"
        self.positions = self.model.config.max_position_embeddings
        ends = self.model.generation_config.eos_token_id
        self.ends = frozenset([self.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])])

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """Answers, in order of length within a window of prompts; see the protocol."""
        source = iter(prompts)
        while window := list(islice(source, _WINDOW * self.config.batch_size)):
            ids = encode_prompts(self.tokenizer, window)
            order = sorted(range(len(window)), key=lambda i: len(ids[i]))
            for first in range(0, len(order), self.config.batch_size):
                batch = order[first : first + self.config.batch_size]
                yield from self._answer([window[i] for i in batch], [ids[i] for i in batch])

    def _answer(self, prompts: Sequence[Prompt], ids: Sequence[list[int]]) -> Iterator[Trace]:
        asked = list(zip(prompts, ids, strict=True))
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
        draws = [np.random.default_rng([self.seed, int(prompt.id, 16)]) for prompt, _ in fitting]
        answers = generate(self.model, [ids for _, ids in fitting], decoding, draws)
        for (prompt, ids), answer in zip(fitting, answers, strict=True):
            yield self._trace(prompt, len(ids), answer)

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
        pairs = [(ids, next(choices)) for prompt, ids in asked for _ in prompt.choices]
        starts = np.cumsum([0, *(len(ids) + len(choice) for ids, choice in pairs)])
        corpus = Corpus(
            np.array([token for ids, choice in pairs for token in ids + choice], dtype=np.int32),
            np.concatenate([np.repeat([False, True], [len(ids), len(choice)]) for ids, choice in pairs]),
            starts,
            np.array([len(choice) for _, choice in pairs], dtype=np.int64),
        )
        scores = iter(log_likelihoods(self.model, corpus).tolist())
        for prompt, ids in asked:
            logprobs = tuple(next(scores) for _ in prompt.choices)
            best = prompt.choices[int(np.argmax(logprobs))]
            yield Trace(
                prompt, best, model=self.name, prompt_tokens=len(ids), completion_tokens=0, choice_logprobs=logprobs
            )
