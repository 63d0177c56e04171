"""One prompt until it is answered: the retry loop around the client, and what is said when it gives up."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

from orca_core import UserError
from orca_litellm import LiteLLMConfig
from orca_litellm.client import Client, Messages, Reply
from orca_litellm.failures import Failure, Kind, classify

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
PATIENCE_S: Final = 1800.0
"""How long one prompt waits out rate limits; also the longest Retry-After that is obeyed rather than reported."""


async def ask(client: Client, config: LiteLLMConfig, messages: Messages) -> Reply:
    """The reply to some messages, after as many attempts as it takes and the config allows.

    A rate limit is not a failed attempt: it is waited out, up to ``PATIENCE_S``. A filtered prompt is an answer: an empty one.

    Raises:
        UserError: a mistake that no repetition mends, or the attempts are used up. It holds no key.
    """
    start, tries, failed = time.monotonic(), 0, 0
    while True:
        outcome = await _attempt(client, messages)
        if not isinstance(outcome, Failure):
            return outcome
        if outcome.kind is Kind.FILTERED:
            return _filtered(config, time.monotonic() - start)
        tries += 1
        failed += outcome.kind is Kind.AGAIN
        wait = backoff(tries, outcome.retry_after)
        patient = time.monotonic() - start + wait < PATIENCE_S or outcome.kind is Kind.AGAIN
        if outcome.kind not in (Kind.AGAIN, Kind.RATE) or failed > config.retries or not patient:
            raise UserError(client.redact(explain(outcome, config, client.endpoint, tries)))
        await asyncio.sleep(wait)


async def _attempt(client: Client, messages: Messages) -> Reply | Failure:
    """One request; what went wrong comes back as a value, so that no exception that quotes a key is ever chained."""
    try:
        return await client.ask(messages)
    except UserError:
        raise
    except TimeoutError:
        return Failure(Kind.AGAIN, "no answer within the time limit")
    except Exception as error:
        return classify(error)


def backoff(tries: int, retry_after: float | None) -> float:
    """Seconds until the next attempt after ``tries``: what the provider asked for or a doubling time, spread by chance so
    that requests that failed together do not return together."""
    if retry_after is not None:
        return retry_after + random.uniform(0, min(1.0, retry_after / 4))
    return random.uniform(0.5, 1) * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (tries - 1))


def explain(failure: Failure, config: LiteLLMConfig, endpoint: str, tries: int) -> str:
    """What was wrong, where, and what to do."""
    variable = config.api_key_env or "the provider's key variable"
    where = f"{config.model} at {endpoint}"
    kept = "answers that arrived are kept, and the same command goes on from there"
    match failure.kind:
        case Kind.KEY:
            todo = f"refused the key: {failure.text}. Put a valid one into {variable}, or name another variable with api_key_env"
        case Kind.CREDIT:
            todo = f"is out of credit or quota: {failure.text}. Top it up and run again; {kept}"
        case Kind.MODEL:
            todo = (
                f"does not exist: {failure.text}. Check model and api_base; GET {endpoint}/models lists what there is"
            )
        case Kind.LENGTH:
            todo = f"cannot take so long a prompt: {failure.text}. Leave out such prompts or use a model with a longer context"
        case Kind.REQUEST:
            todo = f"does not accept the request: {failure.text}. If that names a setting, set it to null (temperature=null)"
        case Kind.RATE:
            todo = f"still limits the rate after {tries} attempts: {failure.text}. Lower workers or wait; {kept}"
        case _:
            todo = f"gave no usable answer to {tries} attempts, the last time: {failure.text}. Is it up? {kept.capitalize()}"
    return f"{where} {todo}"


def _filtered(config: LiteLLMConfig, latency: float) -> Reply:
    return Reply(
        text="",
        finish_reason="content_filter",
        model=config.model,
        id=None,
        fingerprint=None,
        prompt_tokens=None,
        completion_tokens=None,
        cost_usd=None,
        latency_s=round(latency, 4),
    )
