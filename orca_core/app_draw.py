"""``orca draw``: draw and screen the prompts of a run's phases, and look at them before anybody is paid to answer."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Final

from orca_core.app import load_plugins, parse
from orca_core.compose import compose_run, first_of_each
from orca_core.config import check
from orca_core.errors import UserError
from orca_core.graph import build
from orca_core.pipeline import execute
from orca_core.report import html, terminal
from orca_core.results import draw_report
from orca_core.store import Store, write_json

USAGE: Final = "orca draw [OVERRIDE ...], one value each, e.g. orca draw sampler.n=500 (orca run --help lists them all)"


def draw(arguments: list[str]) -> None:
    """Do the ``sample`` and ``screen`` stages of a run, print what was drawn, and leave its report.json and page.

    The stages are those of the run itself: what is drawn here, ``orca run`` finds in the store.

    Raises:
        UserError: the arguments are those of a sweep, or wrong.
    """
    from rich.console import Console

    flags, overrides = parse(arguments)
    if flags.help or flags.multirun or first_of_each(overrides) != overrides:
        raise UserError(f"usage: {USAGE}")
    plugins = load_plugins()
    config, overrides = compose_run(overrides, plugins)
    checked = check(config, plugins)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    graph = build(checked).only("sample", "screen")
    report = draw_report(checked, graph, execute(graph, checked, Store(checked.store)), plugins, overrides)
    directory = Path("outputs") / checked.name / f"draw_{datetime.now():%Y-%m-%d_%H-%M-%S}"
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "report.json", report)
    html.write_html(report, directory / "report.html")
    terminal.print_report(report, Console())
    print(f"\nreport: {directory / 'report.html'}")
