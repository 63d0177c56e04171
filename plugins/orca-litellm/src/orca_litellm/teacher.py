"""The teacher: log first, then the network; every reply is in the log before it is handed on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orca_core import Estimate, Prompt, Trace, UserError
from orca_core.responses import ResponseLog, make_request, request_key
from orca_litellm import LiteLLMConfig
from orca_litellm.background import concurrently
from orca_litellm.client import Client
from orca_litellm.retry import ask

TYPICAL_ANSWER: Final = 400
"""Tokens expected of an explanation until the log knows better: the paper packs 2.7 examples of prompt and answer into 2,048."""
COUNTED: Final = 1000
"""Prompts whose tokens are counted for an estimate; more are extrapolated."""


class LiteLLMTeacher:
    """A responder that asks one model through litellm, ``workers`` requests at a time, and never the same thing twice."""

    def __init__(self, config: LiteLLMConfig, log: Path) -> None:
        self._config = config
        self._path = log
        self._asking: dict[bytes, asyncio.Lock] = {}

    @functools.cached_property
    def _client(self) -> Client:
        return Client(self._config)

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt as soon as it is in the log, in the order of arrival.

        Raises:
            UserError: no key, an endpoint that refuses or stays silent, a prompt that asks for likelihoods.
        """
        with ResponseLog(self._path) as log:
            yield from concurrently(functools.partial(self._trace, log), prompts, workers=self._config.workers)

    def estimate(self, prompts: Sequence[Prompt]) -> Estimate:
        """What the prompts that are not in the log will take: tokens by an offline count of a sample, and the length of
        this model's answers so far, or of a typical explanation."""
        pending, length = self._pending(prompts)
        if not pending:
            return Estimate(prompts=0, prompt_tokens=0, completion_tokens=0, cost_usd=0.0)
        sample = pending[:: max(1, len(pending) // COUNTED)]
        tokens = sum(self._client.count_tokens(prompt.messages) for prompt in sample) / len(sample)
        # priced by the mean request: the sum of all would fall under the dearer rates of very long prompts
        price = self._client.price(round(tokens), round(length))
        n = len(pending)
        return Estimate(n, round(tokens * n), round(length * n), None if price is None else price * n)

    def _pending(self, prompts: Sequence[Prompt]) -> tuple[list[Prompt], float]:
        """The prompts without a stored answer, each request once, and the expected length of an answer in tokens."""
        wanted = {self._key(prompt): prompt for prompt in prompts}
        length = float(min(TYPICAL_ANSWER, self._config.max_tokens or TYPICAL_ANSWER))
        if self._path.exists():
            with ResponseLog(self._path) as log:
                length = log.mean(self._config.model, "completion_tokens") or length
                for key in log.get_many(list(wanted)):
                    del wanted[key]
        return list(wanted.values()), length

    def _key(self, prompt: Prompt) -> bytes:
        return request_key(self._config.model, prompt.messages, self._config.decoding)

    async def _trace(self, log: ResponseLog, prompt: Prompt) -> Trace:
        if prompt.choices:
            raise UserError(
                f"{self._config.model} cannot rate given choices (prompt {prompt.id}): chat APIs return no likelihoods of a "
                "text; use the evaluator's generating protocol"
            )
        reply = await self._reply(log, prompt)
        return Trace(
            prompt=prompt,
            text=reply["text"],
            model=self._config.model,
            finish_reason=reply["finish_reason"],
            prompt_tokens=reply["prompt_tokens"],
            completion_tokens=reply["completion_tokens"],
            latency_s=reply["latency_s"],
            cost_usd=reply["cost_usd"],
            decoding=self._config.decoding,
        )

    async def _reply(self, log: ResponseLog, prompt: Prompt) -> Mapping[str, Any]:
        """The stored reply, or the one that arrives now. Equal requests wait for one another, so that one is sent."""
        key = self._key(prompt)
        async with self._asking.setdefault(key, asyncio.Lock()):
            try:
                if stored := log.get_many([key]).get(key):
                    return stored
                arrived = await ask(self._client, self._config, prompt.messages)
                return log.put(key, make_request(self._config.model, prompt.messages, self._config.decoding), arrived)
            finally:
                self._asking.pop(key, None)
