"""Rate limits as OpenAI keeps them: buckets that refill all the time, told in the headers of every reply.

What OpenAI documents: the tokens of a request are the greater of ``max_tokens`` and an estimate from the number of its
characters, taken when it arrives and not corrected afterwards; a refused request is told how long to wait. Other providers
(Anthropic) take an estimate and settle it with what was used: ``settles=True``. Here a refused request takes nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

CHARACTERS: Final = 4
"""Of a token, as OpenAI estimates."""
SMALLEST_S: Final = 0.001


@dataclass(slots=True)
class Allowance:
    """So much a minute, and at most so much at once."""

    limit: float
    capacity: float
    level: float
    at: float

    def left(self, now: float) -> float:
        """What may be used now."""
        self.level = min(self.capacity, self.level + (now - self.at) * self.limit / 60)
        self.at = now
        return self.level

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much may be used; a dearer request than there is room for goes when the bucket is full."""
        short = min(amount, self.capacity) - self.left(now)
        return max(SMALLEST_S, short * 60 / self.limit) if short > 0 else 0.0

    def headers(self, kind: str, now: float) -> dict[str, str]:
        """Limit, remainder and time until the bucket is full again."""
        left = self.left(now)
        return {
            f"x-ratelimit-limit-{kind}": f"{self.limit:.0f}",
            f"x-ratelimit-remaining-{kind}": str(max(0, math.floor(left))),
            f"x-ratelimit-reset-{kind}": span((self.capacity - left) * 60 / self.limit),
        }


class RateLimit:
    """The limits of one account.

    Args:
        requests: per minute; None: unlimited.
        tokens: per minute; None: unlimited.
        burst: seconds' worth of the limits that may be used at once after a lull; OpenAI's buckets hold a minute.
        settles: whether a request's tokens are corrected by what it really used.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        requests: float | None = None,
        tokens: float | None = None,
        burst: float = 60.0,
        settles: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._settles = clock, settles
        self._kinds = {
            kind: Allowance(limit, max(1.0, limit * burst / 60), max(1.0, limit * burst / 60), clock())
            for kind, limit in (("requests", requests), ("tokens", tokens))
            if limit is not None
        }

    def admit(self, tokens: float) -> float:
        """Let a request in and return 0, or refuse it and return the seconds after which there is room for it."""
        now, wanted = self._clock(), {"requests": 1.0, "tokens": tokens}
        wait = max((bucket.wait(wanted[kind], now) for kind, bucket in self._kinds.items()), default=0.0)
        if not wait:
            for kind, bucket in self._kinds.items():
                bucket.level -= wanted[kind]
        return wait

    def settle(self, admitted: float, used: float) -> None:
        """A request that was let in for so many tokens has used so many."""
        if self._settles and (bucket := self._kinds.get("tokens")):
            bucket.level += admitted - used

    @property
    def headers(self) -> dict[str, str]:
        """What every reply tells."""
        now = self._clock()
        return {name: text for kind, bucket in self._kinds.items() for name, text in bucket.headers(kind, now).items()}


def token_estimate(body: Mapping[str, Any]) -> float:
    """The tokens that a chat request counts for when it arrives."""
    characters = sum(len(str(message.get("content"))) for message in body["messages"])
    longest = body.get("max_tokens") or body.get("max_completion_tokens") or 0
    return max(float(longest), math.ceil(characters / CHARACTERS))


def span(seconds: float) -> str:
    """A time span as OpenAI writes it: ``6m0s``, ``1.5s``, ``20ms``."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + text
