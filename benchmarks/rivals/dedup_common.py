"""What every runner of dedup.py shares: the texts, the report, plain shingles. Standard library only, as in common.py.

A runner calls :func:`main` with a function that is given the texts, as a stream, and yields of each whether it is dropped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

THRESHOLD = 0.55
PERMUTATIONS = 128
SIZE = 2
"""Words in a shingle. Ours has these three as its defaults."""


def shingles(text: str) -> set[str]:
    """Runs of words as their users make them: lower case, split at blanks."""
    words = text.lower().split()
    return {" ".join(words[i : i + SIZE]) for i in range(max(1, len(words) - SIZE + 1))}


def main(find: Callable[[Iterable[str]], Iterable[bool]]) -> None:
    """Leave seconds, CPU seconds and, a character a text, the verdicts behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    wall, cpu = time.perf_counter(), time.process_time()
    dropped = "".join("01"[verdict] for verdict in find(Texts(options.texts)))
    report = {"loop_s": time.perf_counter() - wall, "loop_cpu_s": time.process_time() - cpu, "dropped": dropped}
    options.report.write_text(json.dumps(report))


class Texts:
    """The texts of a file, a JSON string a line, read anew each time they are iterated over."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[str]:
        with self._path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
