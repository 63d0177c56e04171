"""What a failed attempt means: worth another one, a rate limit to wait out, or a mistake that no repetition mends."""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

TEXT: Final = 300
"""Characters of a provider's message that are shown."""
OUT_OF_CREDIT: Final = ("insufficient_quota", "exceeded your current quota", "credit balance", "billing_hard_limit")
TOO_LONG: Final = ("context_length_exceeded", "maximum context length", "context window", "prompt is too long")
FILTERED: Final = ("content_policy_violation", "content_filter", "content management policy")


class Kind(enum.Enum):
    """What to do about a failure."""

    AGAIN = "try again"
    RATE = "wait, then try again"
    FILTERED = "the provider filtered the prompt: an answer of its kind"
    KEY = "the key is missing or refused"
    CREDIT = "out of credit"
    MODEL = "no such model or path"
    LENGTH = "prompt too long"
    REQUEST = "the request is not accepted"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    text: str
    retry_after: float | None = None
    """Seconds, if the provider said when to come back."""


def classify(error: Exception) -> Failure:
    """Sort what litellm raised. It maps many statuses to one class, so the status and the message decide."""
    text = message_of(error)
    status = getattr(error, "status_code", None)
    kind = _kind(status if isinstance(status, int) else None, f"{type(error).__name__} {error}".lower())
    headers = getattr(error, "litellm_response_headers", None)
    return Failure(kind, text, retry_after(headers or {}))


def _kind(status: int | None, text: str) -> Kind:
    if isinstance(status, int) and 400 <= status < 500:
        if any(mark in text for mark in OUT_OF_CREDIT) or status == 402:
            return Kind.CREDIT
        if status == 429:
            return Kind.RATE
        if status in (408, 409):
            return Kind.AGAIN
        if status in (401, 403):
            return Kind.KEY
        if any(mark in text for mark in FILTERED):
            return Kind.FILTERED
        if any(mark in text for mark in TOO_LONG):
            return Kind.LENGTH
        return Kind.MODEL if status == 404 else Kind.REQUEST
    return Kind.AGAIN


def message_of(error: BaseException) -> str:
    """The provider's own words without litellm's prefixes and tracebacks, and the root cause of a broken connection."""
    text = _line(error)
    root = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    cause = _line(root)
    return text if root is error or cause in text else f"{text} ({cause})"


def _line(error: BaseException) -> str:
    lines = str(error).split("Exception - ", 1)[-1].strip().splitlines() or [type(error).__name__]
    return lines[0].removesuffix(" Traceback (most recent call last):")[:TEXT]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait out of ``retry-after-ms`` or ``Retry-After`` (seconds or a date); None if neither can be read."""
    lower = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    try:
        if "retry-after-ms" in lower:
            return max(0.0, float(lower["retry-after-ms"]) / 1000)
        if (value := lower.get("retry-after", "")).replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except ValueError:
        return None
