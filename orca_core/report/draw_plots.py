"""Plots of how long texts are and how prompts are spread over tasks, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from orca_core.report import text
from orca_core.report.sections import Lengths
from orca_core.report.svg import INCHES, as_svg, colour, figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT: Final = 2.5
_TICKS: Final = 14

Series = Sequence[tuple[str, Lengths]]
"""(colour variable, lengths)"""


def length_plot(series: Series, edges: Sequence[int], unit: str) -> str | None:
    """The distribution of lengths: a line per series, in shares of the series' texts, over bins of growing width.

    None where all texts are in one bin.
    """
    filled = [sum(counts) > 0 for counts in zip(*(lengths.histogram for _, lengths in series), strict=True)]
    first, last = filled.index(True), len(filled) - filled[::-1].index(True)
    if last - first < 2:
        return None
    with figure(INCHES, _HEIGHT) as drawn:
        axes = drawn.subplots()
        for variable, lengths in series:
            shares = [100 * count / lengths.n for count in lengths.histogram[first:last]]
            axes.stairs(shares, range(last - first + 1), fill=True, color=colour(variable), alpha=0.1)
            axes.stairs(shares, range(last - first + 1), color=colour(variable), lw=1.6)
        _bin_axis(axes, edges[first:last], unit)
        axes.set_ylabel("%")
        return as_svg(drawn)


def task_plot(histogram: Mapping[str, Sequence[int]], colours: Mapping[str, str], edges: Sequence[int]) -> str:
    """How many tasks have how many prompts: a bar per bin, stacked by collection."""
    totals = [sum(counts) for counts in zip(*histogram.values(), strict=True)]
    first = next(index for index, total in enumerate(totals) if total)
    with figure(INCHES, _HEIGHT) as drawn:
        axes = drawn.subplots()
        below = [0] * (len(edges) - first)
        places = [place + 0.5 for place in range(len(below))]
        for collection, counts in histogram.items():
            axes.bar(places, counts[first:], bottom=below, width=0.86, color=colour(colours[collection]))
            below = [low + count for low, count in zip(below, counts[first:], strict=True)]
        for place, total in zip(places, totals[first:], strict=True):
            if total:
                axes.text(
                    place, total, text.short(total), ha="center", va="bottom", fontsize=7.5, color=colour("muted")
                )
        axes.margins(y=0.09)
        _bin_axis(axes, edges[first:], "prompts of a task")
        axes.set_ylabel("tasks")
        axes.locator_params(axis="y", integer=True)
        axes.yaxis.set_major_formatter(lambda value, _position: text.short(value))
        return as_svg(drawn)


def spread_plot(rows: Sequence[tuple[str, Series]], unit: str) -> str:
    """A row per group: for each series a dot at the median, thick from quarter to three quarters, thin from 5 to 95 %."""
    most = max(len(series) for _, series in rows)
    with figure(INCHES, (0.13 * most + 0.14) * len(rows) + 0.6) as drawn:
        axes = drawn.subplots()
        for row, (_, series) in enumerate(rows):
            for index, (variable, lengths) in enumerate(series):
                _draw_spread(axes, row + (index - (len(series) - 1) / 2) * 0.68 / most, lengths, colour(variable))
        for row in range(1, len(rows)):
            axes.axhline(row - 0.5, color=colour("line"), lw=0.6, zorder=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [text.clean(name) for name, _ in rows])
        _log_scale(axes, [lengths for _, series in rows for _, lengths in series])
        axes.grid(axis="x", color=colour("line"), lw=0.6)
        axes.set_xlabel(unit)
        tidy(axes)
        return as_svg(drawn)


def _draw_spread(axes: Axes, y: float, lengths: Lengths, shade: str) -> None:
    low, quarter, median, three_quarters, high = lengths.percentiles
    axes.plot([low, high], [y, y], color=shade, lw=1.2, alpha=0.55, zorder=2)
    axes.plot([quarter, three_quarters], [y, y], color=shade, lw=4, alpha=0.45, solid_capstyle="round", zorder=3)
    axes.plot([median], [y], "o", color=shade, ms=5.2, mew=0.8, mec=colour("page"), zorder=4)


def _log_scale(axes: Axes, all_lengths: Sequence[Lengths]) -> None:
    """Logarithmic above ten, linear below, from just below the shortest; round lengths with room between them."""
    lowest = min(lengths.percentiles[0] for lengths in all_lengths)
    highest = max(lengths.percentiles[-1] for lengths in all_lengths)
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0.8 * lowest if lowest >= 5 else 0, 1.15 * highest + 1)
    rounded = [0, 5, 10, *(base * 10**power for power in range(1, 7) for base in (2, 5, 10))]
    axes.set_xticks([tick for tick in rounded if 0.8 * lowest <= tick <= 1.15 * highest + 1], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, _position: text.short(value))


def _bin_axis(axes: Axes, edges: Sequence[int], unit: str) -> None:
    """Bins side by side, as wide as each other, with the lengths at which they begin."""
    every = -(-len(edges) // _TICKS)
    powers = [index for index, edge in enumerate(edges) if edge & (edge - 1) == 0]
    start = powers[-1] % every if powers else 0
    axes.set_xticks(range(start, len(edges), every), [text.short(edge) for edge in edges[start::every]])
    axes.set_xlim(0, len(edges))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=colour("line"), lw=0.6)
    axes.set_xlabel(unit)
    tidy(axes)
