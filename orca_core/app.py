"""The commands behind ``orca``: run, plan, plugins, report. Imported only when one of them is called."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from orca_core import plugins as plugin_loading
from orca_core.compose import CONFIG_MODULE, CONFIG_NAME, compose_run, register
from orca_core.config import check
from orca_core.graph import build
from orca_core.plugins import Plugins
from orca_core.store import Store, write_json

log = logging.getLogger("orca")


def load_plugins() -> Plugins:
    """All plugins, with a warning for each broken one."""
    loaded = plugin_loading.load()
    for plugin in loaded.broken:
        print(f"orca: plugin '{plugin.name}' is not in use: {plugin.error}", file=sys.stderr)
    for (kind, name), owners in loaded.conflicts.items():
        print(f"orca: {plugin_loading.conflict_message(kind, name, owners)}", file=sys.stderr)
    return loaded


def run(arguments: list[str]) -> None:
    """``orca run``: everything goes to Hydra, but a config to be run is checked before a directory is made for it."""
    import hydra

    plugins = load_plugins()
    register(plugins)
    flags, overrides = parse(arguments)
    if not (flags.help or flags.hydra_help or flags.cfg or flags.info or flags.shell_completion):
        config, overrides = compose_run(overrides, plugins)
        check(config, plugins)
        arguments = [a for a in arguments if a not in flags.overrides] + overrides
    sys.argv = ["orca run", *arguments]
    try:
        hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_MODULE}", config_name=CONFIG_NAME)(run_job)()
    except BaseException:
        _point_to_finished_jobs()
        raise


def _point_to_finished_jobs() -> None:
    """A sweep that one job ended is not collated by Hydra; what the other jobs found is there all the same."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        print(
            f"orca: the sweep did not finish; for its finished jobs: orca report {HydraConfig.get().sweep.dir}",
            file=sys.stderr,
        )


def parse(arguments: list[str]) -> tuple[Any, list[str]]:
    """Hydra's flags, and the overrides with which its compose API sees what its command line would see."""
    from hydra._internal.utils import get_args_parser

    flags = get_args_parser().parse_args(arguments)
    path = [f"hydra.searchpath=[file://{Path(flags.config_dir).absolute()}]"] if flags.config_dir else []
    return flags, [*flags.overrides, *path]


def run_job(config: Any) -> float | None:
    """One job: the whole graph, then the report. Returns the student's macro average, which sweepers optimise."""
    from hydra.core.hydra_config import HydraConfig
    from rich.console import Console

    from orca_core import results
    from orca_core.pipeline import execute
    from orca_core.report import html, terminal

    plugins = plugin_loading.load()
    checked = check(config, plugins)
    runtime = HydraConfig.get()
    out, overrides = Path(runtime.runtime.output_dir), list(runtime.overrides.task)
    graph = build(checked)
    outcomes = execute(graph, checked, Store(checked.store))
    report = results.report(checked, graph, outcomes, plugins, overrides)
    write_json(out / "items.json", results.items(graph, outcomes))
    if clusters := results.clusters(graph, outcomes):
        write_json(out / "clusters.json", clusters)
    write_json(out / "manifest.json", results.manifest(checked, outcomes, plugins, overrides))
    write_json(out / "report.json", report)
    html.write_html(report, out / "report.html")
    terminal.print_report(report, Console())
    print(f"\nreport: {out / 'report.html'}")
    return next((row["value"] for row in reversed(report["scores"]) if row["subject"] == "student"), None)


def plan(arguments: list[str]) -> None:
    """``orca plan``: the stages, which are done, and what the rest will take."""
    from rich.console import Console

    from orca_core.planning import plan as plan_graph
    from orca_core.report.planned import plan_table

    plugins = load_plugins()
    checked = check(compose_run(parse(arguments)[1], plugins)[0], plugins)
    Console().print(plan_table(plan_graph(build(checked), checked, Store(checked.store))))


def plugins() -> None:
    """``orca plugins``: what is installed, what each offers, and what is wrong with the broken ones."""
    from rich.console import Console

    from orca_core.report.planned import plugins_table

    Console().print(plugins_table(load_plugins()))


def report(path: Path) -> None:
    """``orca report PATH``: print the tables of a finished run, draw or sweep again and rewrite its HTML page.

    A stage of the store gets its page in the working directory, as nothing in the store changes.
    """
    from rich.console import Console

    from orca_core.report import html, load, terminal
    from orca_core.report.collate import collate
    from orca_core.report.slots import is_slot, slot_report
    from orca_core.report.sweep_terminal import print_sweep

    if (path / "multirun.yaml").exists():
        print_sweep(collate(path), Console())
        return
    if is_slot(path):
        loaded, page = slot_report(path), Path(f"{path.absolute().parent.name}-{path.name[:8]}.html")
    else:
        loaded, page = load(path), (path if path.is_dir() else path.parent) / "report.html"
    html.write_html(loaded, page)
    terminal.print_report(loaded, Console())
    print(f"\nreport: {page}")
