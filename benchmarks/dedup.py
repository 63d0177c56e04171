"""Finding duplicates: ours beside datasketch, rensa and a plain set, on texts among which copies are planted.

::

    python benchmarks/dedup.py --setup                 # once: datasketch's environment, with uv
    python benchmarks/dedup.py --json dedup.json
    python benchmarks/dedup.py --n 1000000 --repeat 1 --only near-duplicates,duplicates

Among ``--n`` unrelated texts of some 30 words stand 500 exact copies (of other case, blanks and punctuation), 500 near copies
(Jaccard similarity 0.8 to 0.95 of 3-word shingles) and 500 questions of 25 templates, which share half of their words. Each
way is a process of its own that reads the texts as a stream; all have the same shingles (of 2 words), permutations and threshold.
Rounds go over all ways before the next begins; the table shows medians. Seconds and CPU are of the loop over the texts, imports
aside; memory is the peak of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from measure import run
from rich.console import Console
from rich.table import Table
from teachers import ENVIRONMENTS, HERE, set_up

PLANTED: Final = 500
"""Of each kind."""
TEMPLATES: Final = 25
VOCABULARY: Final = 30_000
SLOWEST_S: Final = 0.01
"""A text's time; a way that takes more is ended."""


@dataclass(frozen=True)
class Way:
    """One way to find duplicates."""

    script: str
    environment: str | None = None


WAYS: Final = {
    "near-duplicates": Way("dedup_ours.py"),
    "rensa": Way("dedup_rensa.py"),
    "datasketch": Way("dedup_datasketch.py", "datasketch"),
    "duplicates": Way("dedup_ours_exact.py"),
    "set": Way("dedup_set.py"),
}


class Writer:
    """Makes texts of random words, of which few are frequent, as in a language."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self._words = ["".join(self._rng.choices(letters, k=self._rng.randint(2, 9))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))

    def words(self, n: int) -> list[str]:
        return self._rng.choices(self._words, cum_weights=self._weights, k=n)

    def text(self) -> str:
        return " ".join(self.words(self._rng.randint(24, 36)))

    def exact(self, text: str) -> str:
        return self._rng.choice([text.upper(), text.capitalize() + ".", text.replace(" ", "  ", 3), text])

    def near(self, text: str) -> str:
        """One or two words replaced, put in or left out."""
        while True:
            words = text.split()
            for _ in range(self._rng.randint(1, 2)):
                place, new = self._rng.randrange(len(words)), self.words(1)
                words[place : place + self._rng.randint(0, 1)] = self._rng.choice([new, []])
            if 0.8 <= jaccard(text.split(), words) <= 0.95:
                return " ".join(words)


def jaccard(one: Sequence[str], two: Sequence[str]) -> float:
    """Of the sets of 3-word shingles."""
    a, b = (set(zip(words, words[1:], words[2:], strict=False)) for words in (one, two))
    return len(a & b) / len(a | b)


def plant(path: Path, n: int, seed: int) -> list[str]:
    """Write the texts, a JSON string a line; returns what each is: text, exact, near or template."""
    writer, rng = Writer(seed), random.Random(seed)
    templates = [" ".join(writer.words(18)) for _ in range(TEMPLATES)]
    after: dict[int, list[tuple[str, int]]] = {}
    for kind in ("exact", "near", "template"):
        for number in range(PLANTED):
            original = number % TEMPLATES if kind == "template" else rng.randrange(n)
            after.setdefault(rng.randrange(0 if kind == "template" else original, n), []).append((kind, original))
    wanted = {original for planted in after.values() for kind, original in planted if kind != "template"}
    kinds, originals = [], {}
    with path.open("w", encoding="utf-8") as file:
        for number in range(n):
            text = writer.text()
            if number in wanted:
                originals[number] = text
            found = [("text", text)]
            for kind, original in after.get(number, ()):
                if kind == "template":
                    found.append((kind, f"{templates[original]} {' '.join(writer.words(12))}"))
                else:
                    found.append((kind, getattr(writer, kind)(originals[original])))
            for kind, line in found:
                kinds.append(kind)
                file.write(json.dumps(line) + "\n")
    return kinds


def measure(way: Way, texts: Path, kinds: Sequence[str], environments: Path) -> dict[str, Any]:
    """Run one way once; what went wrong is in ``error``."""
    python = sys.executable if way.environment is None else str(environments / way.environment / "bin/python")
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.json"
        used = run(
            [python, str(HERE / "rivals" / way.script), f"--texts={texts}", f"--report={report}"],
            cwd=Path(work),
            env={"PATH": os.environ["PATH"], "HOME": work, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"},
            cores=os.sched_getaffinity(0),
            timeout=120 + SLOWEST_S * len(kinds),
        )
        if used.status != 0:
            said = (Path(work) / "output.txt").read_text(errors="replace").strip().splitlines()
            return {"error": "ended after its time" if used.status is None else " | ".join(said[-3:])}
        found = json.loads(report.read_text())
    return {
        "error": "",
        "texts_per_s": len(kinds) / found["loop_s"],
        "cpu_us_per_text": 1e6 * found["loop_cpu_s"] / len(kinds),
        "loop_s": found["loop_s"],
        "peak_rss_mb": used.peak_rss_mb,
        **{name: _share(found["dropped"], kinds, members) for name, members in SHARES.items()},
    }


SHARES: Final = {"exact": {"exact"}, "near": {"near"}, "false": {"text", "template"}, "template": {"template"}}
"""Shares that are dropped: of the copies the recall, of the others what is lost wrongly."""


def _share(dropped: str, kinds: Sequence[str], members: set[str]) -> float:
    verdicts = [verdict == "1" for verdict, kind in zip(dropped, kinds, strict=True) if kind in members]
    return sum(verdicts) / len(verdicts)


def compare(names: Sequence[str], n: int, rounds: int, environments: Path, console: Console) -> dict[str, Any]:
    record: dict[str, Any] = {"n": n, "rounds": rounds, "load": os.getloadavg()[0], "not_run": {}, "ways": {}}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for name in names:
        environment = WAYS[name].environment
        if environment and not (environments / environment / "bin/python").exists():
            record["not_run"][name] = "no environment; make it with: python benchmarks/dedup.py --setup"
    with tempfile.TemporaryDirectory() as directory:
        texts = Path(directory) / "texts.jsonl"
        kinds = plant(texts, n, seed=0)
        for number in range(1, rounds + 1):
            for name in [name for name in names if name not in record["not_run"]]:
                entry = measure(WAYS[name], texts, kinds, environments)
                if entry["error"]:
                    record["not_run"][name] = entry["error"]
                    continue
                runs[name].append(entry)
                console.print(f"round {number}: {name}: {entry['loop_s']:.1f} s", style="dim", highlight=False)
    for name, entries in runs.items():
        if entries:
            keys = [key for key in entries[0] if key != "error"]
            record["ways"][name] = {key: statistics.median(entry[key] for entry in entries) for key in keys}
    return record


def show(record: dict[str, Any], console: Console) -> None:
    title = f"{record['n']:,} texts of 30 words, {PLANTED} copies of each kind; medians of {record['rounds']}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("way", "texts/s", "CPU us", "peak MB", "exact", "near", "false", "template", "ours"):
        table.add_column(column, justify="left" if column == "way" else "right", no_wrap=True)
    ours = record["ways"].get("near-duplicates")
    for name, way in record["ways"].items():
        counts = (f"{way[key]:,.0f}" for key in ("texts_per_s", "cpu_us_per_text", "peak_rss_mb"))
        shares = (f"{100 * way[key]:.2f}" for key in SHARES)
        ratio = f"{ours['texts_per_s'] / way['texts_per_s']:.2f}x" if ours else ""
        table.add_row(name, *counts, *shares, ratio)
    console.print(table)
    console.print("exact, near: % found; false: % dropped of all others, template: of theirs", style="dim")
    for name, reason in record["not_run"].items():
        console.print(f"not run: {name}: {reason}", highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true", help="make datasketch's environment")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="DIR", help="where --setup makes it")
    parser.add_argument("--n", type=int, default=30_000, help="texts beside the planted ones: %(default)s")
    parser.add_argument("--only", default=",".join(WAYS), help="ways to run: %(default)s")
    parser.add_argument("--repeat", type=int, default=3, help="rounds: %(default)s")
    parser.add_argument("--json", type=Path, metavar="PATH", help="the figures")
    options = parser.parse_args()
    if options.setup:
        return set_up(options.environments, ["datasketch"])
    names = options.only.split(",")
    if unknown := set(names) - set(WAYS):
        parser.error(f"--only: no way {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    console = Console()
    record = compare(names, options.n, options.repeat, options.environments, console)
    show(record, console)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
