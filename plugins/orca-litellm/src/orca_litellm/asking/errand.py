"""One prompt on its way: what has been tried, what the log knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orca_core import Prompt


@dataclass(slots=True, eq=False)
class Errand:
    """A request until it is answered or given up."""

    key: bytes
    request: Mapping[str, Any]
    prompts: list[Prompt]
    """Those who wait for it: equal requests are one."""
    prompt_tokens: int
    """About so many."""
    tries: int = 0
    failed: int = 0
    """Attempts that count; waiting out a rate limit does not."""
    waited: float = 0.0
    """Seconds of waiting that rate limits asked for."""
    claimed: bool = False
    """Whether the log has it down as ours."""
    sent: bool = False
    """Whether it is out, so that it may be billed."""
