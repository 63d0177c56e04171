"""Tables in a terminal, all in one style. Whatever comes from data is shown as it is: no markup, no control characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orca_core.report import text

if TYPE_CHECKING:
    from rich.table import Table


def new_table(title: str) -> Table:
    """An empty table in the report's style: no vertical lines, title to the left."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styled = Text(text.clean(title), style="bold")
    return Table(
        title=styled, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )


def plain(value: str) -> str:
    """Text from data, with no markup and no control characters in it."""
    from rich.markup import escape

    return escape(text.clean(value))
