"""Training on a GPU beside TRL with liger-kernel: full fine-tuning in bfloat16 of a 13B and of a 1B-class LLaMA, rows of 2,048.

::

    python benchmarks/student_gpu.py --json benchmarks/results/student_h200.json       # named by the card
    python benchmarks/student_gpu.py --sizes tiny --rows 8        # on a CPU: whether it runs at all

Weights are random and made where they are trained; AdamW has moments of 8 bits (torchao; TRL: bitsandbytes), activations are
recomputed. Tokens per second and MFU (of the matrix-product rate measured on the same card, useful arithmetic alone; see
``orca_lightning/training/throughput.py``) from the end of the first step on. TRL runs where its environment for GPUs is
(``requirements-trl-gpu.txt`` in ``--environments``/trl-gpu); its MFU follows from ours by the tokens per second.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from student import MEDIAN, ROW, Way, machine, make_examples, measure
from teachers import ENVIRONMENTS

WIDE: Final[dict[str, Any]] = {"vocab_size": 32_000, "tie_embeddings": False, "positions": ROW}
SIZES: Final[dict[str, dict[str, Any]]] = {
    "13b": {"hidden_size": 5120, "layers": 40, "heads": 40, "intermediate_size": 13_824, **WIDE},
    "1b": {"hidden_size": 2048, "layers": 22, "heads": 16, "intermediate_size": 5632, **WIDE},
    "tiny": {"hidden_size": 64, "layers": 2, "heads": 4, "intermediate_size": 128, **WIDE},
}
LEAST: Final = {"13b": 0.5, "1b": 0.55}
"""The MFU that the project promises."""
WAYS: Final = {"ours": Way("student_train_ours.py"), "trl": Way("student_train_trl.py", "trl-gpu")}


def settings(size: str, micro_rows: int, gpu: bool) -> dict[str, Any]:
    """What the runners are told: on a GPU 16-bit weights and 8-bit moments, on a CPU plain float32."""
    ours: dict[str, Any] = {"micro_rows": micro_rows, "batch_rows": max(4, micro_rows)}
    trl: dict[str, Any] = {
        "per_device_train_batch_size": micro_rows,
        "gradient_accumulation_steps": ours["batch_rows"] // micro_rows,
    }
    if gpu:
        ours |= {"precision": "bf16-true", "optimizer": "adamw-8bit", "activation_checkpointing": True}
        trl |= {"bf16": True, "optim": "adamw_bnb_8bit", "gradient_checkpointing": True, "use_liger_kernel": True}
    return {"shape": SIZES[size], "ours": ours, "trl": trl}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1b,13b", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--rows", type=int, default=64, help="rows to train on, about")
    parser.add_argument("--micro-rows", type=int, default=4, help="rows of a forward pass")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="DIR", help="where TRL's is")
    options = parser.parse_args()
    import torch

    console, gpu = Console(), torch.cuda.is_available()
    record: dict[str, Any] = {"machine": machine(), "sizes": {}, "not_run": {}}
    for size in options.sizes.split(","):
        found = record["sizes"][size] = {}
        with tempfile.TemporaryDirectory() as folder:
            make_examples(Path(folder), options.rows * ROW // (MEDIAN + 88))
            (Path(folder) / "settings.json").write_text(json.dumps(settings(size, options.micro_rows, gpu)))
            for name, way in WAYS.items():
                if way.environment and not (options.environments / way.environment / "bin/python").exists():
                    record["not_run"][f"{size}: {name}"] = f"no environment {options.environments / way.environment}"
                    continue
                entry = measure(way, Path(folder), options.environments, threads=4)
                if error := entry.pop("error"):
                    record["not_run"][f"{size}: {name}"] = error
                    continue
                found[name] = entry | {"tokens_per_s": entry["tokens"] / entry["wall_s"]}
        if {"ours", "trl"} <= found.keys():
            found["trl"]["mfu"] = found["ours"]["mfu"] * found["trl"]["tokens_per_s"] / found["ours"]["tokens_per_s"]
        if "ours" in found and size in LEAST:
            found["ours"]["met"] = found["ours"]["mfu"] >= LEAST[size]
    show(record, console)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def show(record: dict[str, Any], console: Console) -> None:
    table = Table(title="training on one device", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for column in ("size", "way", "tokens/s", "MFU", "GPU GB", "device"):
        table.add_column(column, no_wrap=True)
    for size, ways in record["sizes"].items():
        for name, way in ways.items():
            memory = f"{way['gpu_peak_gb']:.1f}" if "gpu_peak_gb" in way else "-"
            table.add_row(
                size, name, f"{way['tokens_per_s']:,.0f}", f"{way['mfu']:.1%}", memory, way.get("device", "CPU")
            )
    console.print(table)
    for what, reason in record["not_run"].items():
        console.print(f"not run: {what}: {reason}", highlight=False)


if __name__ == "__main__":
    main()
