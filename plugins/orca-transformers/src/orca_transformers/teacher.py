"""The teacher: prompts in, answers out, each kept in the response log before it counts."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, cast

from orca_core.component import Context
from orca_core.decoding import Redecoded
from orca_core.protocols import Estimate
from orca_core.records import DEAD, Decoding, Prompt, Trace
from orca_core.responses import FILE, ResponseLog, make_request, request_key
from orca_core.responses.parts import unanswered
from orca_transformers.batching import Answer, Job, cut
from orca_transformers.config import TransformersConfig
from orca_transformers.encoding import Encoder
from orca_transformers.loading import Source, devices
from orca_transformers.replicas import Replicas, start

WINDOW: Final = 2048
"""Prompts per device that are sorted by length together; memory does not grow with the others."""
USUAL_TOKENS: Final = 400
"""Of an explanation, as long as there is no answer of this model to go by."""


class TransformersTeacher:
    """Implements :class:`orca_core.protocols.Responder`, ``Estimates`` and ``KeepsLog``."""

    keeps_answers = True

    def __init__(self, config: TransformersConfig, context: Context) -> None:
        self.config, self.seed = config, context.seed
        self._redecoded = Redecoded(config)
        self.log_file = context.cache / FILE
        self.source = Source(config)

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """Answers, longest prompts of a window first; see the protocol.

        Raises:
            UserError: the model cannot be used.
        """
        source = iter(prompts)
        with ResponseLog(self.log_file) as log:
            while window := list(islice(source, WINDOW * len(self._devices))):
                known = log.get_many(map(self._key, window))
                for prompt in window:
                    if reply := known.get(self._key(prompt)):
                        yield self._from_log(prompt, reply)
                yield from self._answers([prompt for prompt in window if self._key(prompt) not in known], log)

    def pending(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        """The prompts that the log holds no answer to; see the protocol."""
        yield from unanswered(self.log_file, prompts, self._key)

    def provenance(self) -> Mapping[str, str]:
        """Which weights answered: a local model's content, a hub model's commit."""
        return {"model": self.source.identity}

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """Prompts without an answer yet and their tokens, counted by the model's tokenizer; the money is 0.

        Raises:
            UserError: there is no such model, or no tokenizer of it.
        """
        count = tokens = written = 0
        left = self.pending(prompts)
        while window := list(islice(left, WINDOW)):
            count += len(window)
            tokens += sum(len(ids) for ids, _ in self._encoder.encode(window))
            written += sum(1 for prompt in window if not prompt.choices)
        with ResponseLog(self.log_file) as log:
            mean = log.mean(self._model, "completion_tokens")
        usual = min(USUAL_TOKENS, self.config.max_tokens) if mean is None else mean
        return Estimate(count, tokens, round(usual * written), 0.0)

    def _answers(self, prompts: Sequence[Prompt], log: ResponseLog) -> Iterator[Trace]:
        jobs: dict[int, Job] = {}
        for number, (prompt, job) in enumerate(zip(prompts, self._jobs(prompts), strict=True)):
            if reason := self._unfit(job):
                yield self._dead(prompt, reason)
            else:
                jobs[number] = job
        if not jobs:
            return
        for answer in self._replicas.run(cut(list(jobs.values()), self.config.batch_tokens)):
            yield self._trace(prompts[answer.number], answer, len(jobs[answer.number].ids), log)

    def _jobs(self, prompts: Sequence[Prompt]) -> Iterator[Job]:
        encoded = self._encoder.encode(prompts)
        for number, (prompt, (ids, choices)) in enumerate(zip(prompts, encoded, strict=True)):
            if choices:
                # raw text too long for the context loses its beginning, as lm-eval has it; nothing is read behind the last token
                longest = self._positions + 1 if prompt.decoding.get("raw") else 0
                yield Job(number, ids, choices=choices, longest=longest)
            else:
                config = self._demanded(prompt)
                if prompt.decoding.get("raw") and (kept := self._positions - config.max_tokens) > 0:
                    ids = ids[-kept:]
                room = max(min(config.max_tokens, self._positions - len(ids)), 1)
                draw = int.from_bytes(self._key(prompt)) ^ self.seed
                yield Job(number, ids, room, draw, config.temperature, config.stop)

    def _demanded(self, prompt: Prompt) -> TransformersConfig:
        return self._redecoded(cast(Decoding, {k: v for k, v in prompt.decoding.items() if k != "raw"}))

    def _unfit(self, job: Job) -> str:
        """Why a prompt cannot be answered; empty if it can."""
        if not job.ids:
            return "the prompt is empty, or no valid Unicode"
        if job.columns > max(self._positions, job.longest):
            return f"{job.columns:,} tokens, at least, do not fit into the model's context of {self._positions:,}"
        return ""

    def _trace(self, prompt: Prompt, answer: Answer, prompt_tokens: int, log: ResponseLog) -> Trace:
        if answer.error:
            return self._dead(prompt, answer.error)
        reply = {
            "text": _likeliest(prompt, answer) if prompt.choices else answer.text,
            "finish_reason": answer.finish_reason,
            "model": self.config.name,
            "prompt_tokens": prompt_tokens,
            "completion_tokens": answer.tokens,
            "cost_usd": 0.0,
            "choice_logprobs": answer.logprobs,
            "choice_greedy": answer.greedy,
        }
        return self._from_log(prompt, log.put(self._key(prompt), self._request(prompt), reply))

    def _from_log(self, prompt: Prompt, reply: Mapping[str, Any]) -> Trace:
        logprobs, greedy = reply["choice_logprobs"], reply.get("choice_greedy")  # older logs do not tell
        return Trace(
            prompt,
            reply["text"],
            model=self.config.name,
            finish_reason=reply["finish_reason"],
            prompt_tokens=reply["prompt_tokens"],
            completion_tokens=reply["completion_tokens"],
            cost_usd=reply["cost_usd"],
            decoding=self._decoding(prompt),
            choice_logprobs=None if logprobs is None else tuple(logprobs),
            choice_greedy=None if greedy is None else tuple(greedy),
        )

    def _dead(self, prompt: Prompt, reason: str) -> Trace:
        return Trace(prompt, "", self.config.name, DEAD, decoding=self._decoding(prompt), error=reason)

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        return make_request(self._model, prompt.messages, self._decoding(prompt), prompt.sample)

    def _key(self, prompt: Prompt) -> bytes:
        request = self._request(prompt)
        return request_key(request["model"], request["messages"], request["decoding"], request["sample"])

    def _decoding(self, prompt: Prompt) -> dict[str, Any]:
        """The settings that change the answer."""
        config = self._demanded(prompt)
        always = {"template": "raw" if prompt.decoding.get("raw") else config.template, "dtype": config.dtype}
        if prompt.choices:
            return {**always, "choices": list(prompt.choices)}
        sampling = {"top_p": config.top_p, "seed": self.seed} if config.temperature else {}
        ending = {"max_tokens": config.max_tokens, "stop": list(config.stop)}
        return {**always, "temperature": config.temperature, **sampling, **ending}

    @functools.cached_property
    def _model(self) -> str:
        return f"transformers/{self.source.identity}"

    @functools.cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.source.tokenizer(), self.config.template)

    @functools.cached_property
    def _positions(self) -> int:
        return self.source.positions() or 1 << 40

    @functools.cached_property
    def _devices(self) -> tuple[str | None, ...]:
        return devices(self.config)

    @functools.cached_property
    def _replicas(self) -> Replicas:
        return start(self.config, self._devices)


def _likeliest(prompt: Prompt, answer: Answer) -> str:
    logprobs = answer.logprobs or ()
    return prompt.choices[max(range(len(logprobs)), key=logprobs.__getitem__)]
