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
SLOWEST: Final = 0.05
"""Part of a limit that is used at least, whatever is said to remain."""
COMPARED_S: Final = 10.0
"""Time over which the provider's account is compared with ours."""
LONGEST_RESET_S: Final = 65.0
"""A minute's allowance is whole again within a minute."""
NOW_S: Final = 1e-6
"""Waits below this are none: floating point, timers."""
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
UNIT_S: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Bucket:
    """An allowance of so much a minute. What does not fit has to wait; what turns out dearer than reserved is a debt.

    Args:
        per_minute: the limit; None: none until :meth:`hear` of one.
        share: the part of the limit that is ours.
    """

    __slots__ = ("_at", "_capacity", "_fixed", "_level", "_limit", "_rate", "_share", "_theirs", "taken")

    def __init__(self, per_minute: float | None, *, share: float, now: float) -> None:
        self.taken = 0.0
        """All that was ever taken: two moments differ by what went between them."""
        self._share, self._fixed = share, per_minute is not None
        self._limit, self._rate, self._capacity = math.inf, math.inf, math.inf
        self._level, self._at = 0.0, now
        self._theirs = Theirs(now)
        if per_minute is not None:
            self._set(per_minute)
            self._level = self._capacity

    def _set(self, limit: float) -> None:
        self._limit, self._rate = limit, MARGIN * self._share * limit / MINUTE_S
        self._capacity = max(1.0, BURST_S * self._rate)
        self._level = min(self._level, self._capacity)

    def short(self, now: float) -> bool:
        """Whether the provider says that little remains."""
        return self._theirs.pace(now) < 1

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much may be taken. More than a full bucket goes when it is full, and leaves a debt."""
        if self._limit is math.inf:
            return 0.0
        rate = self._refill(now)
        wait = (min(amount, self._capacity) - self._level) / rate
        return wait if wait > NOW_S else 0.0

    def _refill(self, now: float) -> float:
        rate = self._rate * self._theirs.pace(now) / self._theirs.dearer
        self._level = min(self._capacity, self._level + (now - self._at) * rate)
        self._at = now
        return rate

    def take(self, amount: float) -> None:
        """Take so much, or give it back if negative."""
        self.taken += amount
        if self._limit is not math.inf:
            self._level = min(self._capacity, self._level - amount)

    def hear(self, told: Told, now: float, *, since: float, mark: float, amount: float) -> None:
        """Take over what the provider tells: its limit, unless the user set one, and what remains.

        Args:
            told: of a request that left at ``since``, when ``taken`` was ``mark``.
            now: monotonic seconds.
        """
        if told.reset_s is not None and told.reset_s > LONGEST_RESET_S:
            return  # not a limit per minute, but per day, say: to be met when it comes
        if self._limit is not math.inf:
            self._refill(now)
        if told.limit != self._limit and not self._fixed:
            self._at = now
            self._set(told.limit)
        if told.remaining is not None:
            left, rate = Left(told.remaining, told.reset_s), told.limit / MINUTE_S
            self._theirs.hear(left, rate, now, since=since, mark=mark, amount=amount)


class Theirs:
    """The provider's own account of an allowance. It may charge otherwise than we do (OpenAI: ``max_tokens``, whatever
    the length of the answer), or serve others out of the same.

    Two controls: what remains sets the pace, which falls in proportion below a third of the most that ever remained (or
    below what would last until all of it comes back); and while it is scarce, what is charged for what we take is measured,
    to be right without being scarce.
    """

    __slots__ = ("_before", "_enough", "_mark", "_most", "_now", "_rate", "_since", "_told", "dearer")

    def __init__(self, now: float) -> None:
        self.dearer = 1.0
        """What they charge for what we count as 1, never less than that."""
        self._told = self._before = Left(math.inf, None)
        self._most, self._enough, self._rate, self._now = 0.0, 0.0, 1.0, now
        self._since, self._mark = now, 0.0

    def pace(self, now: float) -> float:
        """The part of the rate that what remains allows."""
        passed, (left, reset_s) = now - self._now, self._told
        left += passed * self._rate
        enough = self._enough
        if reset_s is not None:
            enough = min(enough, max(0.0, reset_s - passed) * self._rate)
        return 1.0 if left >= enough else max(SLOWEST, left / enough)

    def hear(self, told: Left, rate: float, now: float, *, since: float, mark: float, amount: float) -> None:
        """So much remained when what left at ``since`` came in; ``rate`` of it comes back a second."""
        self._told, self._rate, self._now = told, rate, now
        self._most = max(self._most, told.remaining)
        self._enough = min(self._most, max(self._most / 3, amount))
        passed, ours = since - self._since, mark - self._mark
        if passed < COMPARED_S or ours <= 0:
            return
        if max(self._before.remaining, told.remaining) < self._most / 2:
            self.dearer = max(1.0, self._charged(told, passed) / ours)
        elif told.remaining > 0.9 * self._most:
            self.dearer = max(1.0, 0.9 * self.dearer)
        self._before, self._since, self._mark = told, since, mark

    def _charged(self, told: Left, passed: float) -> float:
        """What they charged since the last comparison; 0 if that cannot be told."""
        before, more = self._before, told.remaining - self._before.remaining
        if told.reset_s is None or before.reset_s is None:
            return 0.0
        later = told.reset_s - before.reset_s
        # A bucket is full the later the less is in it; the end of a fixed window, in which nothing comes back, comes nearer.
        refills = abs(later + more / self._rate) < abs(later + passed)
        return (passed * self._rate if refills else 0.0) - more


class Left(NamedTuple):
    """What a provider says remains of an allowance."""

    remaining: float
    reset_s: float | None
    """Seconds until the allowance is whole again."""


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
