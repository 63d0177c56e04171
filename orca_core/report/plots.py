"""Plots as inline SVG that takes its colours and font from the page, so that it follows light and dark.

Matplotlib draws with stand-in colours, one for each CSS variable of the page, which are then replaced by ``var(--name)``.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orca_core.report import text
from orca_core.report.model import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES: Final = ("base", "student", "teacher-1", "teacher-2", "teacher-3", "teacher-4")
"""CSS variables of the series' colours; further series start again after the student."""
_VARIABLES: Final = {
    name: f"#0000{index:02x}" for index, name in enumerate(("ink", "muted", "line", "page", *SERIES), start=1)
}
_INCHES: Final = 8.4


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
    with _figure(_INCHES, pitch * len(rows) + 0.55) as figure:
        axes = figure.subplots()
        for index, one in enumerate(series):
            _draw_series(axes, one, offset=_offset(index, len(series)))
        for row, level in enumerate(chance):
            if level is not None:
                axes.plot(
                    [100 * level] * 2,
                    [row - 0.4, row + 0.4],
                    color=_colour("muted"),
                    lw=1.2,
                    ls=(0, (1.5, 1.5)),
                    zorder=1,
                )
        if line is not None:
            axes.axvline(100 * line, color=_colour("muted"), lw=1, zorder=1)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [text.words(row) for row in rows])
        if limits:
            axes.set_xlim(100 * limits[0] - 1.5, 100 * limits[1] + 1.5)
        for row in range(1, len(rows)):
            axes.axhline(row - 0.5, color=_colour("line"), lw=0.6, zorder=0)
        axes.grid(axis="x", color=_colour("line"), lw=0.6)
        axes.set_xlabel(label)
        _tidy(axes)
        return _svg(figure)


def loss_curves(curves: Sequence[Curve]) -> str | None:
    """Training loss against tokens (steps, where tokens are unknown), a panel per phase on one scale; None without data."""
    lines = [(curve.phase, *_loss_points(curve)) for curve in curves]
    lines = [line for line in lines if len(line[1]) > 1]
    if not lines:
        return None
    with _figure(_INCHES, 2.6) as figure:
        panels = figure.subplots(1, len(lines), sharey=True, squeeze=False)[0]
        for axes, (phase, x, y, unit) in zip(panels, lines, strict=True):
            axes.plot(x, y, color=_colour("student"), lw=0.8, alpha=0.35)
            axes.plot(x, _smooth(y), color=_colour("student"), lw=1.8)
            axes.set_title(text.clean(phase), loc="left", fontsize=10, color=_colour("ink"))
            axes.set_xlabel(f"{unit} seen")
            axes.grid(color=_colour("line"), lw=0.6)
            axes.set_xlim(left=0)
            axes.locator_params(axis="x", nbins=5)
            axes.xaxis.set_major_formatter(lambda value, _position: text.short(value))
            _tidy(axes)
        _loss_scale(panels[0], [value for line in lines for value in line[2]])
        panels[0].set_ylabel("loss per token, nats")
        return _svg(figure)


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
    colour = _colour(series.colour)
    for row, dot in enumerate(series.dots):
        if dot is None or dot.value is None or not text.known(dot.value):
            continue
        y = row + offset
        if dot.low is not None and dot.high is not None:
            axes.plot(
                [100 * dot.low, 100 * dot.high],
                [y, y],
                color=colour,
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
                color=colour,
                ms=2.6,
                alpha=0.5,
                mew=0,
                zorder=3,
            )
        axes.plot([100 * dot.value], [y], "o", color=colour, ms=5.2, mew=0.8, mec=_colour("page"), zorder=4)


def _offset(index: int, n: int) -> float:
    """Where the index-th of n series lies within a row of height 1."""
    return (index - (n - 1) / 2) * 0.68 / max(n, 1)


def _loss_points(curve: Curve) -> tuple[list[float], list[float], str]:
    """x, loss and the unit of x."""
    unit = "tokens" if all(point.get("tokens") is not None for point in curve.points) else "step"
    pairs = [(point.get(unit), point.get("loss")) for point in curve.points]
    finite = [(x, y) for x, y in pairs if x is not None and y is not None and text.known(x) and text.known(y)]
    return [x for x, _ in finite], [y for _, y in finite], "tokens" if unit == "tokens" else "steps"


def _smooth(values: Sequence[float]) -> list[float]:
    """A centred moving mean over a twentieth of the curve, narrowing at its ends."""
    half = len(values) // 40
    reach = [min(half, i, len(values) - 1 - i) for i in range(len(values))]
    return [sum(values[i - r : i + r + 1]) / (2 * r + 1) for i, r in enumerate(reach)]


def _colour(variable: str) -> str:
    return _VARIABLES[variable]


def _tidy(axes: Axes) -> None:
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0, labelcolor=_colour("ink"))
    axes.xaxis.label.set_color(_colour("muted"))
    axes.yaxis.label.set_color(_colour("muted"))


@contextmanager
def _figure(width: float, height: float) -> Iterator[Figure]:
    """A figure that no display and no global state knows of; text stays text, ids depend on the content alone."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "orca", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def _svg(figure: Figure) -> str:
    """The figure's SVG element with the page's colours and font, without fixed size, metadata and ids that would repeat."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with warnings.catch_warnings():
        # The browser's fonts draw the text, so it does not matter what matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1, flags=re.DOTALL)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|LineCollection)_\d+"', "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r" font-family: [^;]*;", "", svg)
    for name, stand_in in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var(--{name})")
    return svg
