"""The border to litellm: one model, one attempt at a time. What is retried is decided elsewhere."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypedDict

from orca_core import UserError
from orca_core.errors import did_you_mean
from orca_litellm import LiteLLMConfig

QUIET: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx", "httpcore")
"""Loggers that write prompts, headers or a line per request."""
NO_KEY: Final = "none"
"""What servers without keys get: clients insist on sending one."""
SECRET: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")

Messages = Sequence[Mapping[str, str]]


class Reply(TypedDict):
    """An arrived answer as the response log keeps it."""

    text: str
    finish_reason: str
    model: str
    """The model that answered, by its own account."""
    id: str | None
    fingerprint: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    latency_s: float


@functools.cache
def load_litellm() -> Any:
    """Import litellm without its habits: no price list from GitHub, no ``.env``, no tokenizers from the hub, no chatter.

    By name, because its types would make mypy read all of it.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    _silence()
    litellm: Any = importlib.import_module("litellm")
    _silence()  # it sets levels of its own
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    # Cancelled in its first instants, a call leaves a coroutine behind that Python would complain of on the terminal.
    warnings.filterwarnings("ignore", r"coroutine '[\w.]*completion[\w.]*' was never awaited", RuntimeWarning)
    return litellm


def _silence() -> None:
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


class Client:
    """One configured model.

    Raises:
        UserError: litellm knows no provider for the model.
    """

    def __init__(self, config: LiteLLMConfig) -> None:
        self._config = config
        self._litellm = load_litellm()
        self._provider = self._find_provider()

    @property
    def endpoint(self) -> str:
        """Where requests go, for messages."""
        return self._config.api_base or f"{self._provider}'s API"

    @functools.cached_property
    def key(self) -> str | None:
        """The key to send; None leaves it to litellm, which finds the provider's variable is set.

        Raises:
            UserError: the variable is not set; names it.
        """
        config = self._config
        if config.api_key_env is not None:
            if value := os.environ.get(config.api_key_env):
                return value
            raise self.missing_key(config.api_key_env, "which api_key_env names")
        if config.api_base is not None and self._provider in [*self._litellm.openai_compatible_providers, "openai"]:
            # The provider's own key is not for whatever server api_base points at.
            return NO_KEY
        missing = self._litellm.validate_environment(config.model, api_base=config.api_base)["missing_keys"]
        if self._provider != "azure" and missing and all(name.endswith("_API_KEY") for name in missing):
            raise self.missing_key(" or ".join(missing), "which this provider needs")
        return None

    def missing_key(self, variable: str, why: str) -> UserError:
        """The error for a key that is not there."""
        return UserError(
            f"no key for {self._config.model}: the environment variable {variable}, {why}, is not set; "
            f"set it (export {variable.split(' ')[0]}=...) and run again"
        )

    async def ask(self, messages: Messages) -> Reply:
        """Send one request and read its answer.

        Raises:
            UserError: no key.
            Exception: whatever litellm raises, or a ``TimeoutError``: material for ``failures.classify``.
        """
        config, start = self._config, time.monotonic()
        key = self.key
        async with asyncio.timeout(config.timeout):
            response = await self._litellm.acompletion(
                model=config.model,
                messages=[dict(message) for message in messages],
                api_base=config.api_base,
                api_key=key,
                timeout=config.timeout,
                num_retries=0,
                max_retries=0,
                **config.decoding,
            )
        return self._reply(response, time.monotonic() - start)

    def count_tokens(self, messages: Messages) -> int:
        """Tokens of a prompt, counted offline; an approximation for models other than OpenAI's and Anthropic's."""
        return int(self._litellm.token_counter(model=self._config.model, messages=list(messages)))

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Dollars for so many tokens by litellm's bundled price list; None: the model is not in it."""
        try:
            parts = self._litellm.cost_per_token(
                model=self._config.model, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
            )
        except Exception:  # litellm raises a bare Exception subclass for an unknown model
            return None
        return float(sum(parts))

    def redact(self, text: str) -> str:
        """The text without any key: servers quote the one they refuse."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> Iterable[str]:
        for name, value in os.environ.items():
            if len(value) >= 6 and (name == self._config.api_key_env or any(mark in name.upper() for mark in SECRET)):
                yield value

    def _find_provider(self) -> str:
        try:
            return str(self._litellm.get_llm_provider(self._config.model, api_base=self._config.api_base)[1])
        except self._litellm.BadRequestError:
            pass
        known = did_you_mean(self._config.model, self._litellm.model_list) or ""
        near = known if "did you mean" in known else ""
        raise UserError(
            f"model = {self._config.model}: litellm knows no provider for it{near} Write PROVIDER/NAME, "
            f"or openai/{self._config.model} with api_base for an OpenAI-compatible server"
        )

    def _reply(self, response: Any, latency: float) -> Reply:
        choice = response.choices[0]
        usage: Any = getattr(response, "usage", None)
        # litellm fills in zeros for a server that does not count.
        counted = bool(usage and usage.total_tokens)
        return Reply(
            text=choice.message.content or "",
            finish_reason=str(choice.finish_reason),
            model=str(response.model or self._config.model),
            id=response.id,
            fingerprint=getattr(response, "system_fingerprint", None),
            prompt_tokens=usage.prompt_tokens if counted else None,
            completion_tokens=usage.completion_tokens if counted else None,
            cost_usd=self._cost(response) if counted else None,
            latency_s=round(latency, 4),
        )

    def _cost(self, response: Any) -> float | None:
        try:
            return float(self._litellm.completion_cost(response, model=self._config.model))
        except Exception:  # as in price()
            return None
