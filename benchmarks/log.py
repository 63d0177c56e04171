"""What the response log costs: durable rows a second beside plain ways to keep answers, and a log of millions of keys.

::

    python benchmarks/log.py --json log.json
    python benchmarks/log.py --keys 5000000      # also: a large log, opened (takes minutes and a file of 1.5 GB)

Every way writes the same replies of 1 KB to the same directory (--dir: the disk that is measured) and has each row on the disk,
flushed, when it says so. Rounds go over all ways before the next begins; the table shows medians. CPU is user and system time of
the whole process. In the group commits of the log, 256 tasks of an event loop wait at once, as in a run.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from orca_core.responses import Begun, Cap, ResponseLog, Worst, make_request

WAITING: Final = 256
GROUP: Final = 100
"""Rows in a commit of the plain ways that group them."""
SLOW: Final = 20
"""The ways that flush each row get this share of the rows."""
WORST: Final = Worst(usd=0.02, tokens=800)
LOOKUPS: Final = 1000
MESSAGES: Final = [
    {"role": "system", "content": "Explain. " * 10},
    {"role": "user", "content": "Why is that so? " * 14},
]


def key(i: int) -> bytes:
    return hashlib.blake2b(i.to_bytes(8, "big"), digest_size=16).digest()


def request(i: int) -> dict[str, Any]:
    return make_request("openai/gpt-4", MESSAGES, {"temperature": 0.7}, sample=i)


def reply(i: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 80, "completion_tokens": 200, "cost_usd": 0.0144, "latency_s": 0.2}
    return {
        "text": f"{i} because it is. " * 50,
        "finish_reason": "stop",
        "model": "gpt-4-0613",
        "id": f"chatcmpl-{i}",
        **usage,
    }


async def _tasks(n: int, one: Callable[[int], Any]) -> None:
    todo = iter(range(n))

    async def worker() -> None:
        for i in todo:
            await one(i)

    await asyncio.gather(*(worker() for _ in range(WAITING)))


def log_replies(directory: Path, n: int) -> int:
    with ResponseLog(directory / "r.sqlite") as log:
        asyncio.run(_tasks(n, lambda i: log.afinish(key(i), request(i), reply(i))))
    return n


def log_requests(directory: Path, n: int) -> int:
    with ResponseLog(directory / "r.sqlite") as log:

        async def one(i: int) -> None:
            begun = await log.abegin(key(i), request(i), account="a", worst=WORST, cap=Cap(usd=1e5))
            assert begun is Begun.SENT
            await log.afinish(key(i), request(i), reply(i))

        asyncio.run(_tasks(n, one))
    return 2 * n


def jsonl(directory: Path, n: int, group: int) -> int:
    with (directory / "r.jsonl").open("wb") as file:
        for i in range(n):
            row = {"key": key(i).hex(), "request": request(i), "reply": reply(i)}
            file.write(json.dumps(row).encode() + b"\n")
            if (i + 1) % group == 0 or i + 1 == n:
                file.flush()
                os.fsync(file.fileno())
    return n


def sqlite(directory: Path, n: int, group: int) -> int:
    with closing(sqlite3.connect(directory / "r.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE reply (key BLOB UNIQUE, request TEXT, reply TEXT)")
        for start in range(0, n, group):
            rows = [(key(i), json.dumps(request(i)), json.dumps(reply(i))) for i in range(start, min(n, start + group))]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO reply VALUES (?, ?, ?)", rows)
            db.execute("COMMIT")
    return n


WAYS: Final[dict[str, tuple[Callable[[Path, int], int], int]]] = {
    "response log, replies": (log_replies, 1),
    "response log, begin + finish": (log_requests, 1),
    f"JSONL, fsync per {GROUP}": (lambda d, n: jsonl(d, n, GROUP), 1),
    f"SQLite, {GROUP} a commit": (lambda d, n: sqlite(d, n, GROUP), 1),
    "JSONL, fsync each": (lambda d, n: jsonl(d, n, 1), SLOW),
    "SQLite, a commit each": (lambda d, n: sqlite(d, n, 1), SLOW),
}


def measure(way: Callable[[Path, int], int], directory: Path, n: int) -> dict[str, float]:
    cpu, start = _cpu(), time.perf_counter()
    rows = way(directory, n)
    wall, cpu = time.perf_counter() - start, _cpu() - cpu
    size = sum(file.stat().st_size for file in directory.iterdir() if file.is_file())
    return {"rows_per_s": rows / wall, "cpu_us_per_row": 1e6 * cpu / rows, "bytes_per_reply": size / n}


def writing(root: Path, n: int, rounds: int) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, (way, share) in WAYS.items():
            with tempfile.TemporaryDirectory(dir=root) as directory:
                found[name].append(measure(way, Path(directory), n // share))
    return {name: {k: statistics.median(r[k] for r in runs) for k in runs[0]} for name, runs in found.items()}


def build(path: Path, n: int) -> None:
    """A log of ``n`` replies of some 100 bytes, in the order in which keys come: at random."""
    with ResponseLog(path):
        pass
    texts = json.dumps({"messages": [], "sample": 0}), json.dumps({"text": "It is so. " * 5})
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-1000000")
        for start in range(0, n, 100_000):
            ids = range(start + 1, min(n, start + 100_000) + 1)
            db.execute("BEGIN")
            replies = ((i, key(i), "openai/gpt-4", "a", 1.6e9 + i, 1, 80, 200, 0.2, 14_400_000_000, 280) for i in ids)
            db.executemany("INSERT INTO reply VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", replies)
            db.executemany("INSERT INTO body VALUES (?, ?, ?)", ((i, *texts) for i in ids))
            db.execute("COMMIT")


def opening(path: Path, n: int) -> dict[str, float]:
    """In this process: open, the first lookups, a request, sums, and the look at all keys with which a run resumes."""
    steps: dict[str, float] = {"file_mb": path.stat().st_size / 1e6}
    chance = random.Random(0)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # as after a restart of the machine
    last = time.perf_counter()

    def step(name: str) -> None:
        nonlocal last
        steps[f"{name}_s"], last = time.perf_counter() - last, time.perf_counter()
        steps[f"{name}_peak_rss_mb"] = _peak_rss_mb()

    with ResponseLog(path) as log:
        log.recover()
        step("open")
        some = [key(chance.randrange(1, n + 1)) for _ in range(LOOKUPS)]
        assert len(log.get_many(some)) == len(set(some))
        step("first_lookups")
        assert log.begin(b"x" * 16, request(0), account="a", worst=WORST) is Begun.SENT
        log.release(b"x" * 16)
        step("first_request")
        known = sum(len(log.answered(keys)) for keys in _chunks(n))
        assert known == n
        step("all_keys")
        assert sum(total.replies for total in log.totals()) == n
        step("totals")
    return steps


def _chunks(n: int) -> Iterator[list[bytes]]:
    for start in range(1, n + 1, 10_000):
        yield [key(i) for i in range(start, min(n, start + 9_999) + 1)]


def large(root: Path, n: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=root) as directory:
        path = Path(directory) / "r.sqlite"
        build(path, n)
        child = [sys.executable, __file__, "--open", str(path), "--keys", str(n)]
        return dict(json.loads(subprocess.run(child, check=True, stdout=subprocess.PIPE).stdout))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_rss_mb() -> float:
    """Of this program alone: getrusage would count what its parent held when it was started."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def show(result: dict[str, Any], console: Console) -> None:
    table = Table(title=f"{result['rows']:,} replies of 1 KB, medians of {result['rounds']}", title_justify="left")
    for column in ("way", "durable rows/s", "CPU us/row", "bytes/reply"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, figures in result["writing"].items():
        table.add_row(name, *(f"{figures[k]:,.0f}" for k in ("rows_per_s", "cpu_us_per_row", "bytes_per_reply")))
    console.print(table)
    if not result["large"]:
        return
    steps = result["large"]
    table = Table(
        title=f"a log of {result['keys']:,} replies, {steps['file_mb']:,.0f} MB, not in memory", title_justify="left"
    )
    for column in ("step", "seconds", "peak memory, MB"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for name in [name.removesuffix("_s") for name in steps if name.endswith("_s")]:
        table.add_row(name.replace("_", " "), f"{steps[f'{name}_s']:.2f}", f"{steps[f'{name}_peak_rss_mb']:,.0f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", type=int, default=0, help="of the large log; 0: none is made")
    parser.add_argument("--dir", type=Path, default=None, help="where the files go; the system's temporary directory")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--open", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        print(json.dumps(opening(options.open, options.keys)))
        return
    root = options.dir or Path(tempfile.gettempdir())
    result = {
        "rows": options.rows,
        "rounds": options.rounds,
        "keys": options.keys,
        "machine": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "load": os.getloadavg()[0],
        "writing": writing(root, options.rows, options.rounds),
        "large": large(root, options.keys) if options.keys else {},
    }
    show(result, Console())
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
