"""Medians, ratios and thresholds of what was measured, as values in the record and as tables on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

OURS: Final = "ours"
BARE: Final = "aiohttp"
FIGURES: Final = ("wall_s", "loop_s", "cpu_s", "peak_rss_mb", "requests", "server_cpu_s")
MEMORY_MB: Final = 200.0
SETTLED: Final = 10_000
"""Rows after which memory may grow by no more than the response log's page cache, which fills with the first 20,000."""
PAGE_CACHE_MB: Final = 34.0
STEADY_MB: Final = 5.0
EVENT_LOOP: Final = 3
"""Descriptors of the background event loop, which stays as long as the process."""
Record = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What every client is asked to do."""

    name: str
    n: int
    workers: int
    """Requests in flight at once."""
    latency: float
    """Seconds that the server takes for a reply."""

    @property
    def ideal_s(self) -> float:
        """The least seconds that it can take."""
        return self.n * self.latency / self.workers


@dataclass(frozen=True)
class Threshold:
    """A figure of ours beside the most that it may be; None: what it takes was not measured."""

    name: str
    value: float | None
    limit: float | None

    @property
    def met(self) -> bool | None:
        return None if self.value is None or self.limit is None else self.value <= self.limit


def summarise(record: Record) -> dict[str, Record]:
    """By client: the medians of each setting's good runs, and ``cpu_ms``, the CPU a request as the slope between two settings."""
    good = [run for run in record["runs"] if run["kind"] == "counted" and not run["error"]]
    settings = [Setting(**setting) for setting in record["settings"]]
    summary: dict[str, Record] = {}
    for client in dict.fromkeys(run["client"] for run in good):
        medians = {setting.name: _medians(good, client, setting) for setting in settings}
        small, large = (medians[setting.name] for setting in settings)
        slope = None
        if small and large:
            slope = 1000 * (large["cpu_s"] - small["cpu_s"]) / (settings[1].n - settings[0].n)
        summary[client] = {"settings": medians, "cpu_ms": slope}
    return summary


def _medians(runs: Iterable[Record], client: str, setting: Setting) -> Record:
    mine = [run for run in runs if run["client"] == client and run["setting"]["name"] == setting.name]
    return {figure: median(run[figure] for run in mine) for figure in FIGURES} | {"runs": len(mine)} if mine else {}


def thresholds(record: Record, summary: Mapping[str, Record]) -> list[Threshold]:
    """What the client has to reach."""
    if OURS not in summary:
        return []
    ours = summary[OURS]
    slow = Setting(**record["settings"][0])

    def cpu(client: str, share: float) -> float | None:
        figure = summary.get(client, {}).get("cpu_ms")
        return None if figure is None else share * figure

    return [
        Threshold("CPU ms a request: at most a third of curator's", ours["cpu_ms"], cpu("curator", 1 / 3)),
        Threshold("CPU ms a request: at most flexllm's", ours["cpu_ms"], cpu("flexllm", 1)),
        Threshold("CPU ms a request: at most 3 x bare aiohttp", ours["cpu_ms"], cpu(BARE, 3)),
        Threshold(
            f"loop s at {slow.name}: within 10 % of n x latency / workers",
            ours["settings"][slow.name].get("loop_s"),
            1.1 * slow.ideal_s,
        ),
        Threshold("peak memory, MB", max(part.get("peak_rss_mb", 0) for part in ours["settings"].values()), MEMORY_MB),
    ]


def show_comparison(record: Record, console: Console) -> None:
    """Add ``summary`` and ``thresholds`` to the record and print them."""
    summary = summarise(record)
    record["summary"] = summary
    machine = record["machine"]
    console.print(
        f"server on core {_list(machine['server_cores'])}, client on core {_list(machine['client_cores'])}, "
        f"load at the start {machine['load']:.1f}; MB: peak; srv ms: its CPU a request"
    )
    console.print(", ".join(f"{name}: {version}" for name, version in record["versions"].items()), highlight=False)
    for setting in record["settings"]:
        console.print(_table(Setting(**setting), record, summary))
    _show_cpu(summary, console)
    for name, reason in record["not_run"].items():
        console.print(f"not run: {name}: {reason}", highlight=False, soft_wrap=True)
    for run in record["runs"]:
        if run["error"] and run["kind"] == "counted":
            console.print(
                f"failed: {run['client']} at {run['setting']['name']}: {run['error']}", highlight=False, soft_wrap=True
            )
    _show_thresholds(record, thresholds(record, summary), console)


def _new_table(title: str, *columns: str) -> Table:
    table = Table(Column("client", no_wrap=True), title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _table(setting: Setting, record: Record, summary: Mapping[str, Record]) -> Table:
    title = f"{setting.n:,} prompts at {setting.name}, {setting.workers} at once (medians)"
    table = _new_table(title, "runs", "wall s", "loop s", "CPU s", "x ours", "MB", "sent", "srv ms")
    ours = summary.get(OURS, {}).get("settings", {}).get(setting.name, {})
    for client, part in summary.items():
        if row := part["settings"][setting.name]:
            table.add_row(
                client,
                str(row["runs"]),
                f"{row['wall_s']:.2f}",
                f"{row['loop_s']:.2f}",
                f"{row['cpu_s']:.2f}",
                _ratio(row["cpu_s"], ours.get("cpu_s")),
                f"{row['peak_rss_mb']:.0f}",
                f"{row['requests']:,.0f}",
                f"{1000 * row['server_cpu_s'] / max(row['requests'], 1):.2f}",
            )
    return table


def _show_cpu(summary: Mapping[str, Record], console: Console) -> None:
    table = _new_table("CPU a request, from the slope", "ms", "x ours", "x bare aiohttp")
    ours, bare = (summary.get(client, {}).get("cpu_ms") for client in (OURS, BARE))
    for client, part in summary.items():
        if (figure := part["cpu_ms"]) is not None:
            table.add_row(client, f"{figure:.3f}", _ratio(figure, ours), _ratio(figure, bare))
    console.print(table)


def show_soak(record: Record, console: Console) -> None:
    """Add ``thresholds`` to the record and print what memory and descriptors did."""
    run = record["runs"][-1]
    if run["error"]:
        console.print(f"failed: {run['error']}", highlight=False)
        return
    seen = run["memory"]
    console.print(
        f"{run['rows']:,} rows in {run['loop_s']:.1f} s ({run['rows'] / run['loop_s']:,.0f} a second), "
        f"{1000 * run['cpu_s'] / run['rows']:.3f} ms of CPU each, "
        f"server {1000 * run['server_cpu_s'] / run['rows']:.3f} ms each"
    )
    for point in seen[:: max(1, len(seen) // 10)]:
        console.print(f"  {point['rows']:>10,} rows  {point['rss_mb']:6.1f} MB  {point['descriptors']:4} descriptors")
    found = [
        Threshold("peak memory, MB", run["peak_rss_mb"], MEMORY_MB),
        Threshold("memory since row 10,000, MB", _growth(seen, min(SETTLED, run["rows"] // 2)), PAGE_CACHE_MB),
        Threshold("memory in the second half, MB", _growth(seen, run["rows"] // 2), STEADY_MB),
        Threshold("descriptors at the end", seen[-1]["descriptors"], seen[0]["descriptors"] + EVENT_LOOP),
    ]
    _show_thresholds(record, found, console)


def _growth(seen: Sequence[Record], since: int) -> float:
    """How much higher memory rose after so many rows than it was then."""
    later = [float(point["rss_mb"]) for point in seen if point["rows"] >= since]
    return max(later) - later[0]


def _show_thresholds(record: Record, found: Sequence[Threshold], console: Console) -> None:
    record["thresholds"] = [asdict(threshold) | {"met": threshold.met} for threshold in found]
    for threshold in found:
        said = {True: "met", False: "NOT MET", None: "not measured"}[threshold.met]
        figures = " / ".join(
            "-" if figure is None else f"{figure:.3g}" for figure in (threshold.value, threshold.limit)
        )
        console.print(f"{said:>12}  {threshold.name}: {figures}", highlight=False)


def _ratio(figure: float, of: float | None) -> str:
    return f"{figure / of:.2f}" if of else "-"


def _list(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))
