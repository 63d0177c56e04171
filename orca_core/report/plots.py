"""Plots of scores and of training, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orca_core.report import text
from orca_core.report.model import VALIDATION, Curve
from orca_core.report.svg import INCHES, as_svg, colour, figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Dot:
    """One figure in a dot plot; ``each`` are the single runs behind a mean."""

    value: float | None
    low: float | None = None
    high: float | None = None
    each: Sequence[float] = ()


@dataclass(frozen=True)
class Series:
    """One subject or variant of a dot plot: a dot per row, None where it has none."""

    name: str
    colour: str
    dots: Sequence[Dot | None]


def dot_plot(
    rows: Sequence[str],
    series: Sequence[Series],
    *,
    chance: Sequence[float | None] = (),
    label: str = "%",
    limits: tuple[float, float] | None = (0, 1),
    line: float | None = None,
) -> str:
    """Dots with intervals, a row per task, and a tick at chance. Values are shares and drawn in percent.

    ``limits`` None fits the axis to the data; ``line`` draws a vertical rule, such as at no difference.
    """
    pitch = 0.085 * max(1, len(series)) + 0.14
    with figure(INCHES, pitch * len(rows) + 0.55) as drawn:
        axes = drawn.subplots()
        for index, one in enumerate(series):
            _draw_series(axes, one, offset=_offset(index, len(series)))
        for row, level in enumerate(chance):
            if level is not None:
                axes.plot(
                    [100 * level] * 2,
                    [row - 0.4, row + 0.4],
                    color=colour("muted"),
                    lw=1.2,
                    ls=(0, (1.5, 1.5)),
                    zorder=1,
                )
        if line is not None:
            axes.axvline(100 * line, color=colour("muted"), lw=1, zorder=1)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [text.words(row) for row in rows])
        if limits:
            axes.set_xlim(100 * limits[0] - 1.5, 100 * limits[1] + 1.5)
        for row in range(1, len(rows)):
            axes.axhline(row - 0.5, color=colour("line"), lw=0.6, zorder=0)
        axes.grid(axis="x", color=colour("line"), lw=0.6)
        axes.set_xlabel(label)
        tidy(axes)
        return as_svg(drawn)


def loss_curves(curves: Sequence[Curve]) -> str | None:
    """Training loss against tokens (steps, where tokens are unknown), a panel per phase on one scale; None without data.

    The loss on held-out questions, where it was measured, stands as dots in the same panel.
    """
    lines = [(curve.phase, *_loss_points(curve, "loss"), _loss_points(curve, VALIDATION)) for curve in curves]
    lines = [line for line in lines if len(line[1]) > 1]
    if not lines:
        return None
    with figure(INCHES, 2.6) as drawn:
        panels = drawn.subplots(1, len(lines), sharey=True, squeeze=False)[0]
        for axes, (phase, x, y, unit, (held_x, held_y, _)) in zip(panels, lines, strict=True):
            axes.plot(x, y, color=colour("student"), lw=0.8, alpha=0.35)
            axes.plot(x, _smooth(y), color=colour("student"), lw=1.8)
            axes.plot(held_x, held_y, "o", color=colour("teacher-1"), ms=4, mec=colour("page"), mew=0.6)
            axes.set_title(text.clean(phase), loc="left", fontsize=10, color=colour("ink"))
            axes.set_xlabel(f"{unit} seen")
            axes.grid(color=colour("line"), lw=0.6)
            axes.set_xlim(left=0)
            axes.locator_params(axis="x", nbins=5)
            axes.xaxis.set_major_formatter(lambda value, _position: text.short(value))
            tidy(axes)
        _loss_scale(panels[0], [value for line in lines for value in (*line[2], *line[4][1])])
        panels[0].set_ylabel("loss per token, nats")
        return as_svg(drawn)


def _loss_scale(axes: Axes, losses: Sequence[float]) -> None:
    """From zero; logarithmic when the loss fell by more than a factor of 20, where a linear scale hides its end."""
    from matplotlib.ticker import LogLocator

    if min(losses) > 0 and max(losses) / min(losses) > 20:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value:g}")
        axes.yaxis.set_minor_formatter("")
    else:
        axes.set_ylim(bottom=0)


def _draw_series(axes: Axes, series: Series, offset: float) -> None:
    shade = colour(series.colour)
    for row, dot in enumerate(series.dots):
        if dot is None or dot.value is None or not text.known(dot.value):
            continue
        y = row + offset
        if dot.low is not None and dot.high is not None:
            axes.plot(
                [100 * dot.low, 100 * dot.high],
                [y, y],
                color=shade,
                lw=1.6,
                alpha=0.55,
                solid_capstyle="round",
                zorder=2,
            )
        if dot.each:
            axes.plot(
                [100 * one for one in dot.each],
                [y] * len(dot.each),
                "o",
                color=shade,
                ms=2.6,
                alpha=0.5,
                mew=0,
                zorder=3,
            )
        axes.plot([100 * dot.value], [y], "o", color=shade, ms=5.2, mew=0.8, mec=colour("page"), zorder=4)


def _offset(index: int, n: int) -> float:
    """Where the index-th of n series lies within a row of height 1."""
    return (index - (n - 1) / 2) * 0.68 / max(n, 1)


def _loss_points(curve: Curve, figure: str) -> tuple[list[float], list[float], str]:
    """x, the figure (a loss) and the unit of x."""
    unit = "tokens" if all(point.get("tokens") is not None for point in curve.points) else "step"
    pairs = [(point.get(unit), point.get(figure)) for point in curve.points]
    finite = [(x, y) for x, y in pairs if x is not None and y is not None and text.known(x) and text.known(y)]
    return [x for x, _ in finite], [y for _, y in finite], "tokens" if unit == "tokens" else "steps"


def _smooth(values: Sequence[float]) -> list[float]:
    """A centred moving mean over a twentieth of the curve, narrowing at its ends."""
    half = len(values) // 40
    reach = [min(half, i, len(values) - 1 - i) for i in range(len(values))]
    return [sum(values[i - r : i + r + 1]) / (2 * r + 1) for i, r in enumerate(reach)]
