"""Models that their providers end: when, by litellm's price map, and what to ask instead, by a list of ours."""

from __future__ import annotations

import functools
import tomllib
from datetime import date, timedelta
from importlib.resources import files
from typing import Final

from orca_litellm.facts import Facts

WARNED_DAYS: Final = 60
"""Days before a model's end from which on every plan tells it."""


@functools.cache
def replacements() -> dict[str, str]:
    """What to ask instead of an ended model, both with their provider."""
    return tomllib.loads(files("orca_litellm").joinpath("replacements.toml").read_text())


def end_of(facts: Facts) -> date | None:
    """The day from which on the provider may not answer; None: no such day is known."""
    text = (facts.price or {}).get("deprecation_date")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def about_the_end(facts: Facts, today: date, hours: float | None = None) -> str | None:
    """What to say of a model that is past its end, or will be soon or before so many hours of asking are over."""
    end = end_of(facts)
    if end is None or end > today + timedelta(days=max(WARNED_DAYS, (hours or 0.0) / 24)):
        return None
    model = f"{facts.provider}/{facts.model}"
    other = replacements().get(model)
    instead = f"{other} replaces it (set it as this teacher's model)" if other else "ask a newer model of its provider"
    if end <= today:
        return f"{model} is past its end: its provider ended it on {end}; {instead}"
    during = " while this would still be asking" if hours is not None and end <= today + timedelta(hours=hours) else ""
    return f"{model} ends on {end}{during}; {instead}"
