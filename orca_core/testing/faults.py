"""How a fake server can misbehave: one frozen value per reply."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a reply differs from a good one. Made by the constructors below; fields combine."""

    status: int = 200
    error: str = ""
    """The ``code`` of the OpenAI error body that goes with a status other than 200."""
    retry_after: float | None = None
    """Seconds, sent as ``Retry-After`` (and ``retry-after-ms`` for parts of a second)."""
    drop_at: float | None = None
    """Close the connection after this share of the reply: 0 before its first byte, 0.5 in mid body."""
    body: bytes | None = None
    """Sent as it is in place of the reply."""
    usage: bool = True
    finish_reason: str = "stop"
    hang: bool = False
    """Never answer; the connection stays open."""
    drip: float = 0.0
    """Seconds between any two bytes of the reply."""

    @property
    def billed(self) -> bool:
        """Whether a provider would bill the request: an answer was worked out, whatever became of it on the way."""
        return self.status == 200 and not self.hang and self.drop_at != 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client when to come back."""
        if self.retry_after is None:
            return {}
        if self.retry_after == int(self.retry_after):
            return {"Retry-After": str(int(self.retry_after))}
        return {"Retry-After": str(int(self.retry_after) + 1), "retry-after-ms": str(round(self.retry_after * 1000))}


def http_error(status: int = 500, error: str = "server_error") -> Fault:
    """An error status with OpenAI's error body."""
    return Fault(status=status, error=error)


def rate_limited(retry_after: float | None = 1.0) -> Fault:
    """429 with ``Retry-After``."""
    return Fault(status=429, error="rate_limit_exceeded", retry_after=retry_after)


def dropped(at: float = 0.0) -> Fault:
    """The connection is cut after this share of the reply."""
    return Fault(drop_at=at)


def malformed(body: bytes = b'{"id": "chatcmpl-1", "choices": [{"mess') -> Fault:
    """Status 200 with a body that is no chat completion."""
    return Fault(body=body)


def no_usage() -> Fault:
    """A good answer without token counts."""
    return Fault(usage=False)


def finished(reason: str) -> Fault:
    """An answer that ended for another reason than ``stop``: ``length``, ``content_filter``."""
    return Fault(finish_reason=reason)


def hung() -> Fault:
    """No answer, ever."""
    return Fault(hang=True)


def dripping(seconds: float = 0.05) -> Fault:
    """A good reply that comes a byte at a time: no single read takes long, the whole takes for ever."""
    return Fault(drip=seconds)


def error_body(status: int, code: str, message: str) -> bytes:
    """An error as OpenAI writes it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def completion_body(fault: Fault, *, number: int, model: str, text: str, prompt_words: int) -> bytes:
    """A chat completion as OpenAI writes it; tokens are words here."""
    usage = {"prompt_tokens": prompt_words, "completion_tokens": len(text.split())}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": fault.finish_reason}
    body: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [choice],
    }
    if fault.usage:
        body["usage"] = usage | {"total_tokens": sum(usage.values())}
    return json.dumps(body).encode()
