"""Tables for what is planned and what is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from orca_core.plugins import KINDS, Plugins
from orca_core.protocols import Estimate, FitEstimate
from orca_core.report import text
from orca_core.report.tables import new_table

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

    from orca_core.planning import PlannedStage


def plan_table(lines: Sequence[PlannedStage]) -> Group:
    """The stages of a run, what those that ask will take, and what to know before paying."""
    from rich.console import Group

    stages = new_table("plan")
    stages.add_column("stage")
    stages.add_column("state")
    for line in lines:
        stages.add_row(line.stage.name, "[green]done[/]" if line.done else line.note or "to do")
    asking = [(line.stage.name, line.estimate) for line in lines if line.estimate is not None]
    below: list[RenderableType] = ["", _asking_table(asking)] if asking else []
    fits = [(line.stage.name, line.fit) for line in lines if line.fit is not None]
    below += ["", _fits_table(fits)] if fits else []
    notes: list[RenderableType] = ["", *_notes(lines)] if below else []
    return Group(stages, *below, *notes)


def _fits_table(fits: Sequence[tuple[str, FitEstimate]]) -> Table:
    table = new_table("still to train")
    for column in ("stage", "machine"):
        table.add_column(column, overflow="fold")
    for column in ("GB a device", "of", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("what takes most", overflow="fold")
    for name, estimate in fits:
        for cost in estimate.costs:
            most = sorted(cost.parts.items(), key=lambda part: -part[1])[:3]
            shown = ", ".join(f"{what} {size:.3g}" for what, size in most)
            if cost.memory_gb > cost.room_gb:
                shown = f"[red]does not fit[/]: {shown}" if shown else "[red]does not fit[/]"
            room = f"{cost.room_gb:.3g}"
            table.add_row(name, cost.machine, f"{cost.memory_gb:.3g}", room, text.hours(cost.hours), shown)
    return table


def _asking_table(asking: Sequence[tuple[str, Estimate]]) -> Table:
    table = new_table("still to ask")
    table.add_column("stage", overflow="fold")
    for column in ("requests", "tokens in", "tokens out", "cost", "as batch", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, estimate in asking:
        table.add_row(name, *_figures(estimate))
    if len(asking) > 1:
        table.add_section()
        table.add_row("all, one by one", *_figures(Estimate.total([estimate for _, estimate in asking])))
    return table


def plugins_table(plugins: Plugins) -> Table:
    """Every plugin with what it offers, or why it is not in use."""
    table = new_table("plugins")
    for column in ("plugin", "distribution", "version", "offers"):
        table.add_column(column)
    for plugin in plugins.plugins:
        offers = [
            f"{kind}={name}  [dim]{offer.component.summary}[/]"
            for kind in KINDS
            for name, offer in plugins.offers[kind].items()
            if offer.plugin.name == plugin.name
        ]
        table.add_row(
            plugin.name,
            plugin.distribution,
            plugin.version,
            f"[red]{plugin.error}[/]" if plugin.error else "\n".join(offers),
        )
    return table


def _notes(lines: Sequence[PlannedStage]) -> Iterator[Text]:
    """What the estimates say in words, each thing once with the stages that it is about."""
    from rich.text import Text

    stages: dict[str, list[str]] = {}
    for line in lines:
        said = [*(line.estimate.notes if line.estimate else ()), *(line.fit.notes if line.fit else ())]
        for note in said:
            stages.setdefault(note, []).append(line.stage.name)
    for note, names in stages.items():
        yield Text(f"{', '.join(names)}: {note}")


def _figures(estimate: Estimate) -> tuple[str, ...]:
    return (
        text.count(estimate.prompts),
        text.count(estimate.prompt_tokens),
        text.count(estimate.completion_tokens),
        text.money(estimate.cost_usd),
        text.money(estimate.batch_usd),
        text.hours(estimate.hours),
    )
