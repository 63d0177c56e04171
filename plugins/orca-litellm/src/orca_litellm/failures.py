"""What a failed attempt means: worth another one, a rate limit to wait out, this prompt's end, or the run's."""

from __future__ import annotations

import enum
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

TEXT: Final = 300
"""Characters of a provider's message that are shown."""
OUT_OF_CREDIT: Final = ("insufficient_quota", "exceeded your current quota", "credit balance", "billing_hard_limit")
TOO_LONG: Final = (
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "prompt is too long",
    "context size",
)
FILTERED: Final = ("content_policy_violation", "content_filter", "content management policy", "input was flagged")
SETTING: Final = (
    "unsupported_parameter",
    "unsupported_value",
    "unknown_parameter",
    "unsupported parameter",
    "extra inputs",
)
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
PATIENCE_S: Final = 1800.0
"""How long one prompt waits out rate limits. A Retry-After beyond it is a quota that is used up."""


class Kind(enum.Enum):
    """What to do about a failure."""

    AGAIN = "try again"
    DOWN = "no connection: try again"
    RATE = "wait, then try again"
    FILTERED = "the provider filtered the prompt: an answer of its kind"
    LENGTH = "prompt too long"
    REQUEST = "the request is not accepted"
    KEY = "the key is missing or refused"
    CREDIT = "out of credit"
    MODEL = "no such model or path"
    SETTING = "a setting is not accepted"
    TLS = "no secure connection"


PASSING: Final = frozenset({Kind.AGAIN, Kind.DOWN})
OF_THE_PROMPT: Final = frozenset({Kind.LENGTH, Kind.REQUEST})
"""The next prompt may fare better."""
OF_THE_ENDPOINT: Final = frozenset({Kind.KEY, Kind.CREDIT})
"""Another endpoint may do."""
OF_ALL: Final = frozenset({Kind.MODEL, Kind.SETTING, Kind.TLS})
"""A mistake in the config: no prompt fares better."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: Kind
    text: str
    retry_after: float | None = None
    """Seconds, if the provider said when to come back."""
    maybe_billed: bool = False
    """Whether the request was sent and nothing readable says that it was refused."""
    headers: Mapping[str, str] = field(default_factory=dict)


def by_status(status: int, body: str, headers: Mapping[str, str]) -> Failure:
    """What an HTTP status other than 200 means."""
    if 300 <= status < 400:
        where = headers.get("Location", headers.get("location", "elsewhere"))
        return Failure(Kind.MODEL, f"HTTP {status}, it redirects to {where.split('?')[0]}")
    text = f"HTTP {status}: {provider_message(body)}"
    return Failure(kind_of(status, body.lower()), text, retry_after(headers), headers=headers)


def kind_of(status: int | None, text: str) -> Kind:
    """Sort a status and what came with it, in lower case. Providers use one status for many things."""
    if status is None or not 400 <= status < 500:
        return Kind.AGAIN
    if status == 402 or any(mark in text for mark in OUT_OF_CREDIT):
        return Kind.CREDIT
    if status in (408, 409, 429):
        return Kind.RATE if status == 429 else Kind.AGAIN
    for kind, marks in ((Kind.FILTERED, FILTERED), (Kind.LENGTH, TOO_LONG)):
        if any(mark in text for mark in marks):
            return kind
    if status in (401, 403):
        return Kind.KEY
    if status in (404, 405):
        return Kind.MODEL
    if status == 413:
        return Kind.LENGTH
    return Kind.SETTING if any(mark in text for mark in SETTING) else Kind.REQUEST


def provider_message(body: str) -> str:
    """The message in an error body of OpenAI's form; the body itself if it has none."""
    try:
        error = json.loads(body)
        error = error.get("error", error)
        text = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, AttributeError):
        text = body
    return " ".join(str(text).split())[:TEXT] or "no message"


def message_of(error: BaseException) -> str:
    """The provider's own words without litellm's prefixes and tracebacks, and the root cause of a broken connection."""
    text = first_line(error)
    root = error
    while (deeper := root.__cause__ or root.__context__) is not None:
        root = deeper
    cause = first_line(root)
    return text if root is error or cause in text else f"{text} ({cause})"


def first_line(error: BaseException) -> str:
    """The start of an exception's text, without the class names that litellm puts before it."""
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


def backoff(tries: int, retry_after: float | None) -> float:
    """Seconds until the next attempt after ``tries``: what the provider asked for or a doubling time, spread by chance so
    that requests that failed together do not return together."""
    if retry_after is not None:
        return retry_after + random.uniform(0, min(1.0, retry_after / 4))
    return random.uniform(0.5, 1) * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (tries - 1))
