"""Figures as people read them. A missing or undefined figure is a dash everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite
from typing import Final

DASH: Final = "\u2013"
MINUS: Final = "\u2212"


def known(value: float | None) -> bool:
    """Whether there is a finite figure."""
    return value is not None and isfinite(value)


def percent(value: float | None) -> str:
    """A share as a percentage without its sign: 0.875 -> ``87.5``."""
    return DASH if value is None or not isfinite(value) else f"{100 * value:.1f}"


def figure(value: float | None, is_share: bool) -> str:
    """A score: a share as a percentage, any other figure in three digits."""
    if value is None or not isfinite(value):
        return DASH
    return percent(value) if is_share else f"{value:.3g}"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, with its sign: ``+12.5``."""
    if value is None or not isfinite(value):
        return DASH
    text = f"{abs(100 * value):.1f}"
    return text if text == "0.0" else ("+" if value > 0 else MINUS) + text


def interval(bounds: Sequence[float | None] | None, is_share: bool = True) -> str:
    """The bounds of a score: ``79.8-87.7`` (with an en dash)."""
    if bounds is None or not all(known(bound) for bound in bounds):
        return DASH
    return DASH.join(figure(bound, is_share) for bound in bounds)


def points_interval(bounds: Sequence[float | None] | None) -> str:
    """The bounds of a difference: ``-3.0 to +12.1``."""
    if bounds is None or not all(known(bound) for bound in bounds):
        return DASH
    return " to ".join(points(bound) for bound in bounds)


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return DASH if value is None or not isfinite(value) else f"{value:,.0f}"


def items(n: float | None, clusters: float | None) -> str:
    """A number of items, and of the clusters that they come from where these are fewer: ``1,000 in 250``."""
    return count(n) if clusters is None else f"{count(n)} in {count(clusters)}"


def short(value: float | None) -> str:
    """A large number in three digits: ``1.25 M``."""
    if value is None or not isfinite(value):
        return DASH
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g} {unit}"
    return f"{value:,.0f}"


def number(value: float | None) -> str:
    """A small number without needless digits: ``4``, ``0.5``."""
    return DASH if value is None or not isfinite(value) else f"{value:g}"


def seconds(value: float | None) -> str:
    """A duration: ``0.4 s``, ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if value is None or not isfinite(value):
        return DASH
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def hours(value: float | None) -> str:
    """A long duration given in hours: as :func:`seconds` up to two days (``3 h 20 min``), then ``11.6 days``."""
    if value is None or not isfinite(value):
        return DASH
    return seconds(value * 3600) if value < 48 else f"{value / 24:,.1f} days"


def moment(iso: str) -> str:
    """An ISO 8601 time without its seconds: ``2031-03-14 09:26 UTC``; anything else as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".rstrip()


def money(value: float | None) -> str:
    """US dollars; small sums with the digits that they need."""
    if value is None or not isfinite(value):
        return DASH
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.2g}"


def p_value(value: float | None) -> str:
    """A p-value with three decimals; ``< 0.001`` below."""
    if value is None or not isfinite(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def words(name: str) -> str:
    """A task name with spaces, so that it wraps: ``word_sorting`` -> ``word sorting``."""
    return clean(name).replace("_", " ")


def clean(name: str) -> str:
    """One line without control characters, which a terminal would obey and SVG forbids."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(name.split()))
