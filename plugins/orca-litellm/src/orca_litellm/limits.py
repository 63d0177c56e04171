"""Rate limits: an allowance that refills steadily, and what providers' headers say of theirs.

A provider refills its own bucket all the time, so an even pace just below the limit uses all of it and meets no 429.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

MINUTE_S: Final = 60.0
MARGIN: Final = 0.99
"""Share of a limit that is used: the rest is for clocks and networks, which deliver unevenly what was sent evenly."""
BURST_S: Final = 1.0
"""Seconds of an allowance that may go at once after a lull."""
NOW_S: Final = 1e-6
"""Waits below this are none: floating point, timers."""
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
UNIT_S: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Bucket:
    """An allowance of so much a minute. What does not fit has to wait; what turns out dearer than reserved is a debt.

    Args:
        per_minute: the limit; None: none until :meth:`learn` tells of one.
        share: the part of the limit that is ours.
    """

    __slots__ = ("_at", "_capacity", "_fixed", "_level", "_limit", "_rate", "_share", "taken")

    def __init__(self, per_minute: float | None, *, share: float, now: float) -> None:
        self.taken = 0.0
        """All that was ever taken: the difference between two moments is what was sent between them."""
        self._share, self._fixed = share, per_minute is not None
        self._limit, self._rate, self._capacity = math.inf, math.inf, math.inf
        self._level, self._at = math.inf, now
        if per_minute is not None:
            self._set(per_minute)

    def _set(self, limit: float) -> None:
        self._limit, self._rate = limit, MARGIN * self._share * limit / MINUTE_S
        self._capacity = max(1.0, BURST_S * self._rate)
        self._level = min(self._level, self._capacity)

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much may be taken. More than a full bucket goes when it is full, and leaves a debt."""
        if self._limit is math.inf:
            return 0.0
        self._refill(now)
        wait = (min(amount, self._capacity) - self._level) / self._rate
        return wait if wait > NOW_S else 0.0

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self._rate)
        self._at = now

    def take(self, amount: float) -> None:
        """Take so much, or give it back if negative."""
        self.taken += amount
        self._level = min(self._capacity, self._level - amount)

    def learn(self, limit: float, now: float) -> None:
        """The provider tells its limit per minute; one that the user set stays."""
        if limit == self._limit or self._fixed or limit <= 0:
            return
        if self._limit is not math.inf:
            self._refill(now)
        self._at = now
        self._set(limit)

    def correct(self, remaining: float, since: float, mark: float, now: float) -> None:
        """Come down to what the provider says was left at ``since``, when ``taken`` was ``mark``; never up."""
        if self._limit is math.inf:
            return
        self._refill(now)
        left = self._share * remaining + (now - since) * self._rate - (self.taken - mark)
        self._level = min(self._level, left)


class Told(NamedTuple):
    """What the headers of one reply tell of one kind of limit."""

    limit: float
    remaining: float | None
    reset_s: float | None
    """Seconds until the allowance is whole again."""


def read_limit(headers: Mapping[str, str], kind: str) -> Told | None:
    """The limit on ``requests`` or ``tokens``, in OpenAI's or Anthropic's headers; None: not told, or not readable.

    Args:
        headers: with names in lower case, or of a type that ignores case.
        kind: ``requests`` or ``tokens``.
    """
    names = OPENAI[kind]
    if (limit := headers.get(names[0])) is None:
        names = ANTHROPIC[kind]
        if (limit := headers.get(names[0])) is None:
            return None
    value = _number(limit)
    if not value:
        return None
    return Told(value, _number(headers.get(names[1])), seconds(headers.get(names[2])))


OPENAI: Final = {
    kind: (f"x-ratelimit-limit-{kind}", f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}")
    for kind in ("requests", "tokens")
}
ANTHROPIC: Final = {
    kind: (
        f"anthropic-ratelimit-{kind}-limit",
        f"anthropic-ratelimit-{kind}-remaining",
        f"anthropic-ratelimit-{kind}-reset",
    )
    for kind in ("requests", "tokens")
}


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def seconds(text: str | None, *, today: datetime | None = None) -> float | None:
    """A time span as providers write it: ``6m0s``, ``20ms``, plain seconds, or the RFC 3339 moment at which it ends."""
    if text is None:
        return None
    if (plain := _number(text)) is not None:
        return plain
    parts = DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text.strip():
        return sum(float(number) * UNIT_S[unit] for number, unit in parts)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (today or datetime.now(UTC))).total_seconds())
