"""The endpoints of a teacher, ready to be asked: what litellm says of each, its key, its price, its way of sending."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from orca_core import UserError
from orca_core.responses import Worst
from orca_litellm import Endpoint, LiteLLMConfig
from orca_litellm.endpoints.via_litellm import LiteLLMSender
from orca_litellm.endpoints.wire import PlainSender, Session
from orca_litellm.facts import Facts, get_facts
from orca_litellm.failures import Failure
from orca_litellm.prices import Tariff, find_tariff, unpriced
from orca_litellm.replies import Arrived, Messages

NO_KEY: Final = "none"
"""What servers without keys get through litellm, whose clients insist on sending one."""
SECRET: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")
BASE_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {"openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE")}
"""Where users of a provider's own client say its URL; of the others it is ``PROVIDER_API_BASE``, as with litellm."""
PER_PROMPT, PER_MESSAGE = 32, 16
"""Tokens that chat templates add at most: role marks, a system line of their own."""


class Sender(Protocol):
    """Sends one request to one endpoint."""

    async def send(self, messages: Messages) -> Arrived | Failure:
        """One attempt. Whatever becomes of it comes back as a value."""
        ...


@dataclass(frozen=True)
class Place:
    """An endpoint that can be asked. What :mod:`orca_litellm.endpoints.pool` reads of it is here under the same names."""

    endpoint: Endpoint
    facts: Facts
    sender: Sender
    tariff: Tariff | None
    url: str
    """For messages."""
    most_completion: int | None
    """Tokens that an answer can have; None: nobody says."""

    @property
    def name(self) -> str:
        return self.endpoint.name

    @property
    def weight(self) -> float:
        return self.endpoint.weight

    @property
    def workers(self) -> int | None:
        return self.endpoint.workers

    @property
    def requests_per_minute(self) -> float | None:
        return self.endpoint.requests_per_minute

    @property
    def tokens_per_minute(self) -> float | None:
        return self.endpoint.tokens_per_minute

    def worst(self, messages: Messages) -> Worst:
        """The most that a request can cost: no tokenizer makes more tokens than there are bytes."""
        prompt, most = most_prompt_tokens(messages), self.most_completion
        if most is None:
            return Worst(usd=None, tokens=prompt)
        return Worst(usd=None if self.tariff is None else self.tariff.cost(prompt, most), tokens=prompt + most)


def most_prompt_tokens(messages: Messages) -> int:
    """No fewer tokens than a prompt can have."""
    return PER_PROMPT + sum(PER_MESSAGE + len(m["content"].encode("utf-8", "surrogatepass")) for m in messages)


def open_places(config: LiteLLMConfig, cache: Path, session: Session) -> list[Place]:
    """Every endpoint of a teacher, with its key read from the environment; nothing is sent.

    Raises:
        UserError: no such provider, a setting that the model does not take, no key, no URL, or a budget that cannot be held.
    """
    return [_place(config, endpoint, cache, session) for endpoint in config.places]


def _place(config: LiteLLMConfig, endpoint: Endpoint, cache: Path, session: Session) -> Place:
    model = endpoint.model or config.model
    facts = get_facts(model, config.decoding, endpoint.api_base, cache)
    tariff, most = find_tariff(config, facts.price), most_completion_tokens(config, facts)
    _check_budget(config, model, tariff, most)
    base = endpoint.api_base or _base_of(facts)
    return Place(
        endpoint=endpoint,
        facts=facts,
        sender=_sender(config, endpoint, facts, base, tariff, session),
        tariff=tariff,
        url=base or f"{facts.provider}'s API",
        most_completion=most,
    )


def most_completion_tokens(config: LiteLLMConfig, facts: Facts) -> int | None:
    """The most tokens that an answer can have: what the config says, else what litellm knows of the model."""
    listed: Mapping[str, Any] = facts.price or {}
    return config.max_tokens or listed.get("max_output_tokens") or listed.get("max_tokens")


def _check_budget(config: LiteLLMConfig, model: str, tariff: Tariff | None, most: int | None) -> None:
    if config.budget.usd is not None and tariff is None:
        raise UserError(f"budget.usd = {config.budget.usd:g}: {unpriced(model)}")
    if most is None and (config.budget.usd, config.budget.tokens) != (None, None):
        raise UserError(
            f"a budget needs to know how long an answer of {model} can get, and nobody says; "
            "set the longest, e.g. teacher.max_tokens=2048"
        )


def _sender(
    config: LiteLLMConfig, endpoint: Endpoint, facts: Facts, base: str | None, tariff: Tariff | None, session: Session
) -> Sender:
    key = find_key(endpoint, facts)
    cost = (lambda prompt, completion: None) if tariff is None else tariff.cost
    if not facts.plain:
        return LiteLLMSender(
            endpoint=endpoint.name,
            model=endpoint.model or config.model,
            api_base=endpoint.api_base,
            key=key,
            decoding=config.decoding,
            timeout=config.timeout,
            cost=cost,
        )
    if base is None:
        raise UserError(
            f"{endpoint.model}: no URL; say where it answers, e.g. teacher.api_base=http://localhost:8000/v1"
        )
    return PlainSender(
        session,
        endpoint=endpoint.name,
        api_base=base,
        key=key,
        body={"model": facts.model, **facts.parameters},
        timeout=config.timeout,
        cost=cost,
    )


def _base_of(facts: Facts) -> str | None:
    names = BASE_VARIABLES.get(facts.provider, (f"{facts.provider.upper()}_API_BASE",))
    return next((os.environ[name].rstrip("/") for name in names if os.environ.get(name)), facts.api_base)


def find_key(endpoint: Endpoint, facts: Facts) -> str | None:
    """The key to send; None sends none on our own way, and on litellm's leaves it to litellm.

    Raises:
        UserError: the variable is not set; names it.
    """
    if endpoint.api_key_env is not None:
        if value := os.environ.get(endpoint.api_key_env):
            return value
        raise missing_key(endpoint, endpoint.api_key_env, "which api_key_env names")
    if not facts.key_variables:
        return None
    if endpoint.api_base is not None:  # the provider's own key is not for whatever server api_base points at
        return None if facts.plain else NO_KEY
    found = next((os.environ[name] for name in facts.key_variables if os.environ.get(name)), None)
    if found is None:
        raise missing_key(endpoint, " or ".join(facts.key_variables), "which this provider needs")
    return found if facts.plain else None


def missing_key(endpoint: Endpoint, variable: str, why: str) -> UserError:
    """The error for a key that is not there."""
    return UserError(
        f"no key for {endpoint.model}: the environment variable {variable}, {why}, is not set; "
        f"set it (export {variable.split(' ')[0]}=...) and run again"
    )


def redact(text: str, config: LiteLLMConfig) -> str:
    """The text without any key: servers quote the one they refuse."""
    for secret in _secrets({place.api_key_env for place in config.places}):
        text = text.replace(secret, "***")
    return text


def _secrets(named: set[str | None]) -> Iterator[str]:
    for name, value in os.environ.items():
        if len(value) >= 6 and (name in named or any(mark in name.upper() for mark in SECRET)):
            yield value
