"""The terms of the log's interface: what a request may cost, what became of it, what was spent."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

PICO: Final = 10**12
"""Money is booked in whole 10^-12 dollars, so that totals equal the sums of their rows exactly (64 bits hold 9 million dollars)."""
MOST_USD: Final = 1e6
"""Of one amount."""
IMPORTED: Final = "imported"
"""The account of replies that came without a claim (:meth:`~orca_core.responses.ResponseLog.put`)."""


def pico(usd: float) -> int:
    """Dollars as they are booked.

    Raises:
        ValueError: it is no amount.
    """
    if not 0 <= usd <= MOST_USD:
        raise ValueError(f"{usd} dollars; an amount from 0 to {MOST_USD:,.0f} is needed")
    return round(usd * PICO)


@dataclass(frozen=True, slots=True)
class Worst:
    """The most that a request can cost; reserved before it leaves."""

    usd: float | None
    """None: the model has no price."""
    tokens: int


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that an account may spend, all requests ever sent under it together; None: no cap."""

    usd: float | None = None
    requests: int | None = None
    tokens: int | None = None


class Begun(enum.Enum):
    """What became of a wish to send a request."""

    SENT = "sent"
    """It is recorded as out: send it now."""
    ANSWERED = "answered"
    """A reply is there: read it."""
    TAKEN = "taken"
    """Someone else who is alive (or a provider's batch) has it out: wait, look again."""
    OVER_BUDGET = "over budget"
    """Its worst case does not fit under the cap now; nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Maybe:
    """Requests that left and brought no reply of their own: how many, and their cost at worst in dollars."""

    count: int
    usd: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What an account has spent: settled, maybe billed and reserved together; of it, what is only maybe billed."""

    usd: float
    requests: int
    tokens: int
    maybe_usd: float
    maybe_requests: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Why a request was given up."""

    kind: str
    text: str
    attempts: int
    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Total:
    """A model's day (UTC, ``2026-11-23``): replies with their tokens and cost, and requests that were maybe billed."""

    model: str
    day: str
    replies: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    maybe_count: int
    maybe_usd: float
