"""The way of every other provider: litellm's own call, one attempt at a time. What is retried is decided elsewhere."""

from __future__ import annotations

import asyncio
import functools
import importlib
import logging
import os
import time
import warnings
from collections.abc import Mapping
from typing import Any, Final

from orca_litellm.failures import Failure, Kind, first_line, kind_of, message_of, provider_message, retry_after
from orca_litellm.replies import Arrived, CostFn, Messages, Reply, storable

QUIET: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx", "httpcore")
"""Loggers that write prompts, headers or a line per request."""
NO_KEY: Final = "missing credentials"
NO_TRUST: Final = ("certificate", "[ssl:", "ssl handshake")
NO_CONNECTION: Final = (
    "connect call failed",
    "connection refused",
    "not known",
    "name resolution",
    "nodename nor servname",
)


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
    warnings.filterwarnings(
        "ignore", r"Item '\w+' on TypedDict class", UserWarning
    )  # of pydantic, about litellm's types
    return litellm


def _silence() -> None:
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


class LiteLLMSender:
    """One endpoint that litellm speaks to.

    Args:
        endpoint: its name, for the replies.
        model: litellm's name, with the provider.
        key: None leaves it to litellm, which finds the provider's variable.
        timeout: seconds for a whole attempt.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        model: str,
        api_base: str | None,
        key: str | None,
        decoding: Mapping[str, Any],
        timeout: float,
        cost: CostFn,
    ) -> None:
        self._endpoint, self._model, self._timeout, self._cost = endpoint, model, timeout, cost
        self._litellm = load_litellm()  # here, as its seconds are not the first request's
        self._call: dict[str, Any] = {
            "model": model,
            "api_base": api_base,
            "api_key": key,
            "timeout": timeout,
            "num_retries": 0,
            "max_retries": 0,
            **decoding,
        }

    async def send(self, messages: Messages) -> Arrived | Failure:
        """One attempt. Whatever becomes of it comes back as a value; only cancellation is raised."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._litellm.acompletion(messages=[dict(m) for m in messages], **self._call)
            return Arrived(self._reply(response, time.monotonic() - start), _headers(response))
        except TimeoutError:
            return Failure(Kind.AGAIN, f"no answer within {self._timeout:g} s", maybe_billed=True)
        except Exception as error:  # litellm raises some thirty classes, and what it does not map comes as it is
            return classify(error)

    def _reply(self, response: Any, latency: float) -> Reply:
        choice, usage = response.choices[0], getattr(response, "usage", None)
        # litellm fills in zeros for a server that does not count
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage and usage.total_tokens else None
        return Reply(
            text=storable(choice.message.content or ""),
            finish_reason=str(choice.finish_reason),
            model=str(response.model or self._model),
            id=response.id,
            fingerprint=getattr(response, "system_fingerprint", None),
            prompt_tokens=None if tokens is None else tokens[0],
            completion_tokens=None if tokens is None else tokens[1],
            cost_usd=None if tokens is None else self._cost(*tokens),
            latency_s=round(latency, 4),
            endpoint=self._endpoint,
        )


def _headers(response: Any) -> Mapping[str, str]:
    """The provider's headers, which litellm hands on with a prefix."""
    hidden = getattr(response, "_hidden_params", None) or {}
    found = hidden.get("additional_headers") or {}
    return {str(name).lower().removeprefix("llm_provider-"): str(value) for name, value in found.items()}


def classify(error: Exception) -> Failure:
    """Sort what litellm raised. It maps many statuses to one class, so the status and the message decide."""
    status = getattr(error, "status_code", None)
    headers: Mapping[str, str] = getattr(error, "litellm_response_headers", None) or {}
    name = type(error).__name__
    # With headers there was a reply: what it says is told without the exceptions of litellm and its clients around it.
    text = provider_message(first_line(error)) if headers else message_of(error)
    if NO_KEY in text.lower():
        return Failure(Kind.KEY, text)
    if any(mark in text.lower() for mark in NO_TRUST):
        return Failure(Kind.TLS, text)
    if not headers and any(mark in text.lower() for mark in NO_CONNECTION):
        return Failure(Kind.DOWN, text)
    kind = kind_of(status if isinstance(status, int) else None, f"{name} {error}".lower())
    # It gives connections that broke and replies that cannot be read the status 500 as well, without any headers.
    lost = kind is Kind.AGAIN and not headers
    return Failure(kind, text, retry_after(headers), maybe_billed=lost, headers=headers)
