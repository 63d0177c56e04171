"""Drawing with Matplotlib for a page: inline SVG that takes its colours and font from there, so it follows light and dark.

Stand-in colours are drawn, one for each CSS variable of the page, which are then replaced by ``var(--name)``.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES: Final = ("base", "student", "teacher-1", "teacher-2", "teacher-3", "teacher-4")
"""CSS variables of the series' colours; further series start again after the student."""
INCHES: Final = 8.4
"""Width of a plot that fills the page."""
_VARIABLES: Final = {
    name: f"#0000{index:02x}" for index, name in enumerate(("ink", "muted", "line", "page", *SERIES), start=1)
}


def colour(variable: str) -> str:
    """The stand-in of a CSS variable."""
    return _VARIABLES[variable]


def tidy(axes: Axes) -> None:
    """No frame, no ticks, quiet labels."""
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", length=0, labelcolor=colour("ink"))
    axes.xaxis.label.set_color(colour("muted"))
    axes.yaxis.label.set_color(colour("muted"))


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure that no display and no global state knows of; text stays text, ids depend on the content alone."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "orca", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def as_svg(figure: Figure) -> str:
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
