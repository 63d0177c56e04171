"""One endpoint as the pool sees it: how much may go to it now, and whether it is well."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Generic, Protocol, TypeVar

from orca_litellm.endpoints.limits import NOW_S, Bucket, read_limit

REFUSAL: Final = 8
"""What a 429 adds to the score of refusals; any other outcome takes 1 off. Even at one in nine."""
TOO_MANY: Final = 80
"""The score that tells a rate of 429s from stray ones: after ten in a row, or a hundred outcomes of which a fifth are; but
with 5 % stray ones once in a million (a cumulative sum test of 20 % against 5 %)."""
CUT: Final = 0.75
CUT_EVERY_S: Final = 1.0
GROWTH: Final = 0.01
"""Part of the slots that comes back each second."""
FAILURES: Final = 5
"""Failures in a row that open the breaker."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0


class Endpoint(Protocol):
    """What is read of an endpoint's configuration."""

    @property
    def name(self) -> str | None: ...
    @property
    def weight(self) -> float: ...
    @property
    def workers(self) -> int | None: ...
    @property
    def requests_per_minute(self) -> float | None: ...
    @property
    def tokens_per_minute(self) -> float | None: ...


E = TypeVar("E", bound=Endpoint)


class Gate(Generic[E]):
    """Slots, allowances and breaker of one endpoint."""

    def __init__(self, endpoint: E, *, workers: int, share: float, now: float) -> None:
        self.endpoint = endpoint
        self.requests = Bucket(endpoint.requests_per_minute, share=share, now=now)
        self.tokens = Bucket(endpoint.tokens_per_minute, share=share, now=now)
        self.most = max(1, int(share * (endpoint.workers or workers)))
        self.slots = float(self.most)
        """Requests that may be in flight at once; fewer than ``most`` after a rate of 429s."""
        self.busy = 0
        self.credit = 0.0
        """Of the smooth weighted choice between endpoints."""
        self.closed: str | None = None
        """Why nothing goes here any more."""
        self._score = 0
        self._held_until = self._cut_at = self._grown_at = -math.inf
        self._failures = 0
        self._pause = FIRST_PAUSE_S
        self._probing = False

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until a request of so many tokens may go; infinite while only the end of another one can tell."""
        if self.closed is not None or self._probing or self.busy >= int(self.slots):
            return math.inf
        hold = self._held_until - now
        wait = max(hold if hold > NOW_S else 0.0, self.requests.wait(1, now))
        return max(wait, self.tokens.wait(tokens, now))

    def enter(self, tokens: float) -> bool:
        """A request of so many tokens goes.

        Returns:
            Whether it is the one that tries out an endpoint whose breaker is open.
        """
        self.busy += 1
        self.requests.take(1)
        self.tokens.take(tokens)
        self._probing = self._failures >= FAILURES
        return self._probing

    def leave(self, *, probe: bool) -> None:
        """It is back, whatever came of it."""
        self.busy -= 1
        if probe:
            self._probing = False

    def give_back(self, tokens: float) -> None:
        """It counted for nothing."""
        self.requests.take(-1)
        self.tokens.take(-tokens)

    def short(self, now: float) -> bool:
        """Whether the provider said of late that little remains."""
        return self.requests.short(now) or self.tokens.short(now)

    def answered(self, now: float) -> None:
        """A wanted reply: the endpoint is well."""
        self._well(-1)
        if self.slots < self.most:
            self.slots = min(self.most, self.slots + GROWTH * self.most * min(1.0, now - self._grown_at))
        self._grown_at = now

    def refused(self, retry_after: float | None, now: float) -> None:
        """A 429. A stray one is its own request's affair; at a rate of them everyone waits, and then fewer go at once."""
        self._well(REFUSAL)
        if self._score > TOO_MANY and now - self._cut_at >= CUT_EVERY_S:
            self.slots, self._cut_at = max(1.0, CUT * self.slots), now
            self._held_until = max(self._held_until, now + (retry_after or 0.0))
            self._score = 0

    def _well(self, score: int) -> None:
        """It answers, wanted or not."""
        self._failures, self._pause, self._probing = 0, FIRST_PAUSE_S, False
        self._score = min(2 * TOO_MANY, max(0, self._score + score))

    def failed(self, now: float, *, probe: bool) -> None:
        """No reply, or a 5xx. After some in a row one request is let through after a pause, which grows until one succeeds."""
        if self._failures >= FAILURES and not probe:
            return  # it was on its way when the breaker opened
        self._failures += 1
        if self._failures >= FAILURES:
            self._held_until = max(self._held_until, now + self._pause)
            self._pause = min(LONGEST_PAUSE_S, 2 * self._pause)

    def hear(
        self, headers: Mapping[str, str], now: float, *, since: float, marks: tuple[float, float], tokens: float
    ) -> None:
        """Take over what a reply's headers tell of the limits; ``marks`` is what was taken when its request left, ``since``."""
        if (told := read_limit(headers, "requests")) is not None:
            self.requests.hear(told, now, since=since, mark=marks[0], amount=1)
        if (told := read_limit(headers, "tokens")) is not None:
            self.tokens.hear(told, now, since=since, mark=marks[1], amount=tokens)
