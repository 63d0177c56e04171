"""What it takes to choose five million of FLAN's queries: Algorithm 1 here, in plain Python, and by ``datasets``.

::

    python benchmarks/sampling.py --inventory ../shared/data/flan_inventory.csv --json sampling.json
    python benchmarks/sampling.py            # without FLAN's inventory: one of the same shape, made up
    python benchmarks/sampling.py --n 50000  # the paper's shares of so many

Every run is a process of its own; the table shows medians of ``--rounds`` for ours, one run of the others. Seconds are those of
the draw, from the tasks' sizes to all (task, index) in memory; peak memory is that of the process. The ways:

- ours: ``orca_flan.draw``;
- plain lists: Algorithm 1 in plain Python as one writes it down, with a list of the unused queries of every task; its time
  goes into the lists, so it is run with the largest n alone;
- plain, sparse: the same without the lists, as little work as plain Python can do;
- datasets: ``interleave_datasets`` over a generator of ids for each task, by uniform probabilities, all exhausted without
  replacement; with the smallest n alone. It gives the first queries of a task and not random ones.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from algorithm1 import OTHERS, Way
from orca_flan.draw import Draw, Quota, draw
from orca_flan.inventory import Inventory, Shape, read_inventory
from rich.console import Console
from rich.table import Table

PAPER: Final = {"cot": 149_460, "niv2": 440_000, "flan2021": 2_500_000, "t0": 2_000_000}
CAPS: Final = {"niv2": 300, "flan2021": 1_000_000}
BOTH: Final = ("zs_opt", "zs_noopt")
SHAPES: Final = {
    "cot": Shape(("zs",)),
    "niv2": Shape(("zs",)),
    "flan2021": Shape(BOTH, per_template=True),
    "t0": Shape(BOTH),
}
MADE_UP: Final = {"cot": (18, 8.5, 1.0), "niv2": (1654, 7.6, 1.0), "flan2021": (71, 10.3, 2.4), "t0": (193, 11.2, 1.4)}
"""Tasks of each collection, mean and deviation of the logarithm of their sizes, about as FLAN's."""
MILLION: Final = 1_000_000
MEDIANS: Final = ("seconds", "cpu_s", "before_s", "peak_rss_mb")
BYTES_PER_LISTED: Final = 45
SURE: Final = 1e-6  # a chi-square as improbable as this is no chance


def quotas(n: int) -> dict[str, Quota]:
    """The paper's shares of n queries, and its caps."""
    total = sum(PAPER.values())
    return {name: Quota(round(share * n / total), CAPS.get(name)) for name, share in PAPER.items()}


def measure(way: str, inventory: Inventory, n: int) -> dict[str, Any]:
    """In this process: one draw, its time and memory, and what it gave."""
    if way == "datasets":
        import_module("datasets")  # before the clock starts
    figures = _ours(inventory, n) if way == "ours" else _other(OTHERS[way], inventory, n)
    return {"way": way, "n": n} | figures | {"peak_rss_mb": _peak_rss_mb()}


def _ours(inventory: Inventory, n: int) -> dict[str, Any]:
    start, cpu = time.perf_counter(), time.process_time()
    drawn = draw(inventory, quotas(n), seed=0)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"rows": len(drawn), "seconds": seconds, "cpu_s": cpu, "before_s": seconds, "fingerprint": drawn.fingerprint}


def _other(way: Way, inventory: Inventory, n: int) -> dict[str, Any]:
    """One collection after the other, each into a list, which ours does too in its way."""
    random.seed(0)
    start, cpu, before, rows = time.perf_counter(), time.process_time(), 0.0, 0
    for name, quota in quotas(n).items():
        began = time.perf_counter()
        drawn = way([task.size for task in inventory.tasks if task.collection == name], quota.n or 0, quota.cap)
        pairs = list(islice(drawn, 1))
        before += time.perf_counter() - began
        pairs += drawn
        rows += len(pairs)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"rows": rows, "seconds": seconds, "cpu_s": cpu, "before_s": before}


def run(way: str, inventory: Path, n: int) -> dict[str, Any]:
    """The same in a process of its own."""
    child = [sys.executable, __file__, "--way", way, "--inventory", str(inventory), "--n", str(n)]
    return dict(json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout))


def compare(path: Path, inventory: Inventory, sizes: list[int], rounds: int) -> list[dict[str, Any]]:
    """A row for every way and size: medians of ours, and how many times as long the others take for as many."""
    rows = []
    for n in sizes:
        runs = [run("ours", path, n) for _ in range(rounds)]
        assert len({r["fingerprint"] for r in runs}) == 1, "the same seed gave two draws"
        ours = runs[0] | {key: statistics.median(r[key] for r in runs) for key in MEDIANS}
        rows.append(ours | {"times_ours": 1.0})
        for way in OTHERS:
            if n != {"plain lists": max(sizes), "datasets": min(sizes)}.get(way, n):
                continue
            if way == "plain lists" and (needs := _lists(inventory)) > 0.8 * _free():
                rows.append({"way": way, "n": n, "not_run": f"needs {needs / 1e9:.0f} GB"})
                continue
            other = run(way, path, n)
            rows.append(other | {"times_ours": other["seconds"] / other["rows"] / (ours["seconds"] / ours["rows"])})
    return rows


def _lists(inventory: Inventory) -> int:
    return BYTES_PER_LISTED * sum(inventory.pool(name, CAPS.get(name)).capped for name in PAPER)


def _free() -> int:
    (line,) = (line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def examine(drawn: Draw) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """What there was and what was taken of each collection, and whether all holds that a draw promises."""
    sizes = np.array([task.size for task in drawn.inventory.tasks])
    pools, holds = [], {"live tasks are drawn from evenly": True, "small tasks are taken whole": True}
    holds["no task gives more than its cap"] = True
    for name, quota in drawn.quotas.items():
        of = np.array([task.collection == name for task in drawn.inventory.tasks])
        most, taken = np.minimum(sizes[of], quota.cap or sizes.max()), drawn.taken[of]
        live = taken < most
        p = _evenness(taken[live])
        holds["no task gives more than its cap"] &= bool((taken <= most).all())
        holds["live tasks are drawn from evenly"] &= p > SURE
        # a task that is taken whole had no more than fell to the others, but for chance
        top = taken[live].mean() + 6 * math.sqrt(taken[live].mean()) if live.any() else math.inf
        holds["small tasks are taken whole"] &= bool((taken[~live] <= top).all())
        pools.append(
            {"collection": name} | drawn.pools[name] | {"whole": int((~live).sum()), "p": p if live.any() else None}
        )
    # the order of a draw is random, so that its beginning is a random subset
    five, one = _keys(drawn.task, drawn.index), _keys(drawn.task[:MILLION], drawn.index[:MILLION])
    holds["no query comes twice"] = bool((np.diff(five) > 0).all())
    holds["the subset's ids are all in the draw"] = bool((five[np.searchsorted(five, one)] == one).all())
    return pools, holds


def _evenness(counts: Any) -> float:
    from scipy.stats import chisquare

    return float(chisquare(counts).pvalue) if len(counts) > 1 else 1.0


def _keys(task: Any, index: Any) -> Any:
    return np.sort(task * np.int64(2**32) + index)


def make_up(path: Path) -> None:
    chance = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["collection", "task", "zero_shot_queries"])
        for name, (tasks, mean, deviation) in MADE_UP.items():
            writer.writerows((name, f"{name}{i}", int(chance.lognormvariate(mean, deviation))) for i in range(tasks))


def _peak_rss_mb() -> float:
    """Of this program alone: getrusage would count what its parent held when it was started."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def show(result: Mapping[str, Any], console: Console) -> None:
    table = Table(title=f"{result['inventory']}: what is drawn of it", title_justify="left")
    for column in (
        "collection",
        "tasks",
        "queries",
        "within caps",
        "drawn",
        "taken whole",
        "p(even)",
    ):
        table.add_column(column, justify="left" if column == "collection" else "right")
    for pool in result["pools"]:
        counts = [f"{pool[key]:,}" for key in ("tasks", "pool", "capped", "taken", "whole")]
        table.add_row(pool["collection"], *counts, "-" if pool["p"] is None else f"{pool['p']:.2f}")
    console.print(table)
    for what, holds in result["holds"].items():
        console.print(f"{'holds' if holds else 'DOES NOT HOLD'}: {what}")
    table = Table(title=f"medians of {result['rounds']} for ours", title_justify="left")
    for column in ("way", "rows", "seconds", "first row at", "CPU s", "rows/s", "peak MB", "times ours"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for row in result["ways"]:
        if "not_run" in row:
            table.add_row(row["way"], f"{row['n']:,}", row["not_run"])
            continue
        times = (f"{row[key]:.2f}" for key in ("seconds", "before_s", "cpu_s"))
        rate, memory = f"{row['rows'] / row['seconds']:,.0f}", f"{row['peak_rss_mb']:,.0f}"
        table.add_row(row["way"], f"{row['rows']:,}", *times, rate, memory, f"{row['times_ours']:.1f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", type=Path, help="collection,task,zero_shot_queries; without it one is made up")
    parser.add_argument("--n", type=int, nargs="+", default=[50_000, sum(PAPER.values())], help="queries to draw")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, read_inventory(options.inventory, SHAPES), options.n[0])))
        return
    with tempfile.TemporaryDirectory() as directory:
        path = options.inventory or Path(directory) / "made-up.csv"
        if options.inventory is None:
            make_up(path)
        inventory = read_inventory(path, SHAPES)
        pools, holds = examine(draw(inventory, quotas(max(options.n)), seed=0))
        result = {
            "inventory": path.name,
            "rounds": options.rounds,
            "machine": platform.platform(),
            "load": os.getloadavg()[0],
            "numpy": np.__version__,
            "pools": pools,
            "holds": holds,
            "ways": compare(path, inventory, options.n, options.rounds),
        }
    show(result, Console(width=110))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))
    if not all(holds.values()):
        raise SystemExit("a promise of the draw does not hold")


if __name__ == "__main__":
    main()
