"""What an attempt comes back with: a reply, in the form in which the response log keeps it, or a failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

Messages = Sequence[Mapping[str, str]]
CostFn = Callable[[int, int], float | None]
"""Dollars for so many prompt and completion tokens; None: the model has no known price."""
FILTERED: Final = "content_filter"


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
    endpoint: str
    """The name of the endpoint that answered."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A wanted reply, with the headers it came with (names in lower case, or of a type that ignores case)."""

    reply: Reply
    headers: Mapping[str, str]


def read_completion(data: Any, *, endpoint: str, model: str, latency: float, cost: CostFn) -> Reply:
    """The reply in a parsed chat completion.

    Raises:
        ValueError: it is no chat completion; says why.
    """
    try:
        choice = data["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("the reply is no chat completion") from None
    text = content if content is not None else refusal or ""
    if not isinstance(text, str):
        raise ValueError("the reply's content is no text")
    refused = content is None and bool(refusal)
    tokens = _counted(data.get("usage"))
    return Reply(
        text=storable(text),
        finish_reason=FILTERED if refused else str(choice.get("finish_reason") or "stop"),
        model=str(data.get("model") or model),
        id=data.get("id"),
        fingerprint=data.get("system_fingerprint"),
        prompt_tokens=None if tokens is None else tokens[0],
        completion_tokens=None if tokens is None else tokens[1],
        cost_usd=None if tokens is None else cost(*tokens),
        latency_s=round(latency, 4),
        endpoint=endpoint,
    )


def _counted(usage: Any) -> tuple[int, int] | None:
    """Prompt and completion tokens; None if the server does not count, or says zero for both."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int) or prompt + completion == 0:
        return None
    return prompt, completion


def storable(text: str) -> str:
    """The text without lone surrogates, which JSON can spell and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def filtered(*, endpoint: str, model: str, latency: float = 0.0) -> Reply:
    """The empty answer to a prompt that the provider's filter refused."""
    return Reply(
        text="",
        finish_reason=FILTERED,
        model=model,
        id=None,
        fingerprint=None,
        prompt_tokens=None,
        completion_tokens=None,
        cost_usd=None,
        latency_s=round(latency, 4),
        endpoint=endpoint,
    )
