"""How near the memory that ``orca plan`` tells comes to what a training takes.

::

    python benchmarks/memory.py                          # tiny, 21M and 110M weights
    python benchmarks/memory.py --only 1b --json memory.json    # takes 17 GB for a few minutes

Each model is trained for a few steps in a process of its own, as ``orca run`` does; its peak resident memory is held against the
prediction. On a CPU that is main memory, the libraries included.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from orca_lightning import LightningConfig, ModelShape
from orca_lightning.costs.machines import GB, Machine
from orca_lightning.costs.memory import memory
from orca_lightning.costs.network import starting_network
from orca_lightning.job import Job
from orca_lightning.launch import command, environment
from orca_lightning.text.prepare import prepare
from orca_lightning.text.tokenizer import load_tokenizer

from orca_core.records import Prompt, Query, Trace

WIDE: Final[dict[str, Any]] = {"vocab_size": 32000, "tie_embeddings": False}
SHAPES: Final = {
    "tiny": (ModelShape(hidden_size=128, layers=4, heads=4, intermediate_size=352, vocab_size=2048), 1024),
    "21m": (ModelShape(hidden_size=256, layers=6, heads=4, intermediate_size=688, **WIDE), 2048),
    "110m": (ModelShape(hidden_size=768, layers=8, heads=12, intermediate_size=2048, **WIDE), 2048),
    "1b": (ModelShape(hidden_size=2048, layers=16, heads=16, intermediate_size=5504, **WIDE), 256),
}
"""A shape and the tokens of a row."""


def examples(count: int, words: int) -> list[Trace]:
    """Texts of random words, so many that a tokenizer finds its tokens."""
    draw = random.Random(0)
    lexicon = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 8))) for _ in range(40_000)]

    def text(n: int) -> str:
        return " ".join(draw.choices(lexicon, k=n))

    return [Trace(Prompt(Query(text(words // 3), "t")), text(words), model="m") for _ in range(count)]


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Train one of the shapes for two steps; predicted and measured peak in GB."""
    shape, row = SHAPES[name]
    config = LightningConfig(
        model=shape, max_length=row, batch_rows=1, micro_rows=1, threads=1, checkpoint_seconds=1e9, token_budget=2 * row
    )
    job = Job(config, 1, None, folder / name, 0)
    job.work.mkdir(parents=True)
    prepare(job, examples(400, 120), folder / "cache")
    arguments, surroundings = command(config, job.write()), environment(config)
    surroundings.pop("ORCA_WATCH_STDIN")
    process = subprocess.Popen(arguments, env=surroundings, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name}: the training ended with status {process.returncode}")
    network = starting_network(config, None, len(load_tokenizer(job.tokenizer)))
    parts = memory(config, network, Machine("CPU", 1, 0.0, 0.0, is_cpu=True))
    predicted, measured = sum(parts.values()) / GB, used.ru_maxrss * 1024 / GB
    return {
        "model": name,
        "parameters": network.parameters,
        "predicted_gb": round(predicted, 3),
        "measured_gb": round(measured, 3),
        "ratio": round(predicted / measured, 3),
        "parts_gb": {part: round(size / GB, 3) for part, size in parts.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="tiny,21m,110m", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only.split(","):
            results.append(measure(name, Path(folder)))
            print(json.dumps(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
