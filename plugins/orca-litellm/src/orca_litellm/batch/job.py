"""What a teacher asks for through a batch API, and what it makes of the replies."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from orca_core import Prompt, UserError
from orca_core.responses import ResponseLog, Worst, make_request, request_key
from orca_litellm import LiteLLMConfig
from orca_litellm.asking.round import cap_of
from orca_litellm.batch.files import write_line
from orca_litellm.batch.provider import Provider
from orca_litellm.endpoints.places import NO_KEY, Place, find_key, most_prompt_tokens, open_places, redact
from orca_litellm.endpoints.via_litellm import load_litellm
from orca_litellm.endpoints.wire import Session
from orca_litellm.replies import read_completion

PROVIDERS: Final = ("openai", "hosted_vllm")
"""Where litellm offers files, batches and their list in OpenAI's form."""


class BatchJob:
    """One teacher's work through the batch API of its endpoint.

    Args:
        cache: where litellm's facts and the files of batches are kept.
        share: this process's part of the budget.
        dead: the reasons of the requests that this teacher gave up, by key; read and added to.
    """

    def __init__(
        self, config: LiteLLMConfig, cache: Path, log: ResponseLog, *, share: float, dead: dict[bytes, str]
    ) -> None:
        self.config, self.log, self.dead = config, log, dead
        self.root = cache / "batches"
        self.cap = cap_of(config, share)
        self.decoding = config.decoding
        self._cache = cache

    @functools.cached_property
    def place(self) -> Place:
        """Where batches go. Found with the first unknown prompt: what is all known needs no key, no server and no litellm.

        Raises:
            UserError: there is no batch API that can be used, no key, or a budget that cannot be held.
        """
        config = self.config
        if len(config.places) > 1:
            raise UserError("teacher.batch=true: batches go to one endpoint; name one, or set teacher.batch=false")
        (place,) = open_places(config, self._cache, Session())
        if place.facts.provider not in PROVIDERS or not place.facts.plain:
            raise UserError(
                f"teacher.batch=true: {config.model} cannot be asked in batches; models of these providers can: "
                f"{', '.join(PROVIDERS)} (also with an api_base of yours). Set teacher.batch=false"
            )
        return place

    def provider(self) -> Provider:
        """The border to the endpoint; loads litellm.

        Raises:
            UserError: no key.
        """
        return Provider(
            load_litellm(),
            self.place.facts.provider,
            api_base=self.place.url,
            key=find_key(self.place.endpoint, self.place.facts) or NO_KEY,
            timeout=self.config.timeout,
            retries=self.config.retries,
            redact=lambda text: redact(text, self.config),
        )

    def key(self, prompt: Prompt) -> bytes:
        """What its answer is found under."""
        return request_key(self.config.model, prompt.messages, self.decoding, prompt.sample)

    def request(self, prompt: Prompt) -> dict[str, Any]:
        """What the log keeps of it."""
        return make_request(self.config.model, prompt.messages, self.decoding, prompt.sample)

    def line(self, key: bytes, prompt: Prompt) -> bytes:
        """What is sent, as a line of a batch's input."""
        facts = self.place.facts
        return write_line(key, prompt.sample, {"model": facts.model, "messages": prompt.messages, **facts.parameters})

    def worst(self, asked: Prompt) -> Worst:
        """The most that a request can cost, at the price of a batch."""
        prompt, most = most_prompt_tokens(asked.messages), self.place.most_completion
        if most is None:
            return Worst(usd=None, tokens=prompt)
        return Worst(usd=self._cost(prompt, most), tokens=prompt + most)

    def read(self, body: Any) -> Mapping[str, Any]:
        """The reply in a chat completion out of a batch. How long it took tells nothing, so it is not kept.

        Raises:
            ValueError: it is no chat completion.
        """
        reply = read_completion(body, endpoint=self.place.name, model=self.config.model, latency=0.0, cost=self._cost)
        return {**reply, "latency_s": None}

    def _cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        tariff = self.place.tariff
        return None if tariff is None else tariff.batch_cost(prompt_tokens, completion_tokens)
