"""Tables for what is planned and what is installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orca_core.plugins import KINDS, Plugins
from orca_core.protocols import Estimate

if TYPE_CHECKING:
    from rich.table import Table

    from orca_core.pipeline import PlannedStage


def plan_table(lines: Sequence[PlannedStage]) -> Table:
    """The stages of a run: which are done, and what the others will take."""
    from rich.table import Table

    table = Table(title="plan", title_justify="left")
    for column in ("stage", "state"):
        table.add_column(column)
    for column in ("prompts", "tokens in", "tokens out", "cost"):
        table.add_column(column, justify="right")
    table.add_column("note")
    for line in lines:
        estimate = line.estimate
        table.add_row(line.stage.name, "[green]done[/]" if line.done else "to do", *_figures(estimate), line.note)
    total = [line.estimate for line in lines if line.estimate is not None]
    if total:
        table.add_section()
        table.add_row("still to ask", "", *_figures(_sum(total)), "")
    return table


def plugins_table(plugins: Plugins) -> Table:
    """Every plugin with what it offers, or why it is not in use."""
    from rich.table import Table

    table = Table(title="plugins", title_justify="left")
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


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    def add(values: list[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    costs = [estimate.cost_usd for estimate in estimates]
    return Estimate(
        prompts=sum(estimate.prompts for estimate in estimates),
        prompt_tokens=add([estimate.prompt_tokens for estimate in estimates]),
        completion_tokens=add([estimate.completion_tokens for estimate in estimates]),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
    )


def _figures(estimate: Estimate | None) -> tuple[str, str, str, str]:
    if estimate is None:
        return "", "", "", ""
    counts = (estimate.prompts, estimate.prompt_tokens, estimate.completion_tokens)
    prompts, tokens_in, tokens_out = ("?" if count is None else f"{count:,}" for count in counts)
    return prompts, tokens_in, tokens_out, "?" if estimate.cost_usd is None else f"${estimate.cost_usd:,.2f}"
