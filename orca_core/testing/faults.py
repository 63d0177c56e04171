"""How a fake server can misbehave: one frozen value per reply."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a reply differs from a good one. Made by the constructors below; fields combine."""

    status: int = 200
    error: str = ""
    """The ``code`` of the OpenAI error body that goes with a status other than 200."""
    message: str = ""
    """Of that error body."""
    retry_after: float | None = None
    """Seconds, sent as ``Retry-After`` (and ``retry-after-ms`` for parts of a second)."""
    drop_at: float | None = None
    """Nothing is sent after this share of the reply, 0 before its first byte, 0.5 in mid body: the connection is closed, or
    stays open in silence with ``hang``."""
    body: bytes | None = None
    """Sent as it is in place of the reply."""
    usage: bool = True
    finish_reason: str = "stop"
    padding: int = 0
    """Characters added to the answer."""
    hang: bool = False
    """Never answer, or not to the end; the connection stays open."""
    drip: float = 0.0
    """Seconds between any two bytes of the reply."""

    @property
    def billed(self) -> bool:
        """Whether a provider would bill the request: an answer was worked out, whatever became of it on the way."""
        sent = 0 if self.hang and self.drop_at is None else self.drop_at
        return self.status == 200 and sent != 0

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client when to come back."""
        if self.retry_after is None:
            return {}
        whole = {"Retry-After": str(math.ceil(self.retry_after))}
        return (
            whole
            if self.retry_after == int(self.retry_after)
            else whole | {"retry-after-ms": f"{self.retry_after * 1000:.0f}"}
        )


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


def stalled(at: float = 0.5) -> Fault:
    """The answer stops coming after this share of it; the connection stays open."""
    return Fault(hang=True, drop_at=at)


def context_length() -> Fault:
    """The error for a prompt that does not fit into the model's context."""
    message = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
    return Fault(
        status=400, error="context_length_exceeded", message=f"{message} Please reduce the length of the messages."
    )


def not_utf8() -> Fault:
    """Status 200 with a body that is not UTF-8."""
    return Fault(body=b'{"id": "chatcmpl-1", "choices": [{"message": {"content": "caf\xe9"}}]}')


def huge(characters: int = 10_000_000) -> Fault:
    """A good answer, but so long."""
    return Fault(padding=characters)


def dripping(seconds: float = 0.05) -> Fault:
    """A good reply that comes a byte at a time: no single read takes long, the whole takes for ever."""
    return Fault(drip=seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with token counts of its own; those that are not given are its words, and the prompt's."""

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def usage(self, prompt: str) -> dict[str, int]:
        """The token counts as OpenAI writes them."""
        asked = len(prompt.split()) if self.prompt_tokens is None else self.prompt_tokens
        answered = len(self.text.split()) if self.completion_tokens is None else self.completion_tokens
        return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def error_body(status: int, code: str, message: str) -> bytes:
    """An error as OpenAI writes it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def completion(fault: Fault, *, number: int, model: str, answer: Answer, prompt: str) -> dict[str, Any]:
    """A chat completion as OpenAI writes it."""
    text = answer.text + " long" * (fault.padding // len(" long"))
    message = {"role": "assistant", "content": text}
    body: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": fault.finish_reason}],
    }
    return body | {"usage": answer.usage(prompt)} if fault.usage else body
