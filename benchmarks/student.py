"""Training, packing and tokenising beside TRL, axolotl, LLaMA-Factory and a plain loop: the same model, data and tokens, one run.

::

    python benchmarks/student.py --setup                        # once: the rivals' environments, with uv
    python benchmarks/student.py --json benchmarks/results/student.json
    python benchmarks/student.py --only packing --lengths 1000000

- training: a LLaMA of 21M parameters (hidden 256, 6 layers, 32,000 tokens), float32, one thread, rows of 2,048 and 4 of them a step;
  examples of 20 to 2,047 tokens (median 200), of which some 55 % are targets. Useful tokens (no padding) per CPU second, from the
  end of the first step to that of the last; memory is the peak of the process.
- packing: the lengths of a million examples into rows of 2,048. CPU seconds, and the share of the rows that is filled.
- tokenising: conversations of random words; wall seconds with all cores free, and CPU seconds.

Each way is a process of its own, with the environment that its own launcher gives it. Rounds go over all ways before the next
begins; the table shows medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from measure import run
from orca_lightning.launch import ALLOCATOR
from rich.console import Console
from rich.table import Table
from teachers import ENVIRONMENTS, HERE, set_up

from orca_core.results import LIBRARIES

ROW: Final = 2048
VOCABULARY: Final = 32_000
MEDIAN: Final = 200
SPREAD: Final = 0.854
"""Of the lengths, which are lognormal: a mean of 288 tokens."""
SLOWEST_S: Final = 3600


@dataclass(frozen=True)
class Way:
    """One way to do a part."""

    script: str
    environment: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its process, as its own launcher sets them."""


PARTS: Final = {
    "training": {
        "ours": Way("student_train_ours.py", variables=ALLOCATOR),
        "sorted loop": Way("student_train_sorted.py"),
        "trl bfd": Way("student_train_trl.py", "trl"),
    },
    "packing": {
        "ours": Way("student_pack_ours.py"),
        "trl": Way("student_pack_trl.py", "trl"),
        "axolotl": Way("student_pack_axolotl.py", "packers"),
        "llama-factory": Way("student_pack_llamafactory.py", "packers"),
    },
    "tokenising": {"ours": Way("student_tokens_ours.py"), "trl": Way("student_tokens_trl.py", "trl")},
}


def lengths(count: int, seed: int) -> Any:
    """Lengths of examples in tokens, ``[count]``."""
    drawn = np.random.default_rng(seed).lognormal(np.log(MEDIAN), SPREAD, count)
    return np.clip(drawn, 20, ROW - 1).astype(np.int64)


def make_examples(folder: Path, count: int) -> None:
    """Examples of random tokens, each of which is a word of the tokenizer beside them."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    draw, sizes = np.random.default_rng(1), lengths(count, 0)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    prompts = np.maximum((sizes * draw.uniform(0.3, 0.6, count)).astype(np.int64), 1)
    ids = draw.integers(3, VOCABULARY, starts[-1])
    ids[starts[1:] - 1] = 1  # the end token
    np.savez(folder / "data.npz", ids=ids, starts=starts, prompts=prompts)
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{f"w{i}": i for i in range(3, VOCABULARY)}}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>").save_pretrained(
        folder / "model"
    )


def make_training(folder: Path, count: int) -> None:
    """The examples, and a random model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    make_examples(folder, count)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 256,
        "intermediate_size": 688,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
    }
    config = LlamaConfig(**shape, vocab_size=VOCABULARY, max_position_embeddings=ROW, pad_token_id=0, eos_token_id=1)
    LlamaForCausalLM(config).save_pretrained(folder / "model")


def make_packing(folder: Path, count: int) -> None:
    """Lengths alone."""
    np.save(folder / "lengths.npy", lengths(count, 0))


def make_tokenising(folder: Path, count: int) -> None:
    """Conversations of random words, few of which are frequent, and a tokenizer of 32,000 tokens trained on them."""
    from orca_lightning.text.template import TEMPLATES
    from orca_lightning.text.tokenizer import train_tokenizer

    draw = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    lexicon = ["".join(draw.choices(letters, range(26, 0, -1), k=draw.randint(2, 9))) for _ in range(40_000)]
    weights = list(np.cumsum(1 / (np.arange(len(lexicon)) + 3)))

    def text(words: int) -> str:
        return " ".join(draw.choices(lexicon, cum_weights=weights, k=words)).capitalize() + "."

    rows = [
        {
            "system": text(18) if i % 3 else "",
            "question": text(draw.randint(20, 180)),
            "answer": text(draw.randint(60, 240)),
        }
        for i in range(count)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = (row["answer"] for row in rows[:4000])
    train_tokenizer(texts, vocab_size=VOCABULARY, template=TEMPLATES["chatml"], join_spaces=True).save_pretrained(
        folder / "words"
    )


MAKE: Final[dict[str, Callable[[Path, int], None]]] = {
    "training": make_training,
    "packing": make_packing,
    "tokenising": make_tokenising,
}


def measure(way: Way, data: Path, environments: Path, threads: int) -> dict[str, Any]:
    """Run one way once; what went wrong is in ``error``."""
    python = sys.executable if way.environment is None else str(environments / way.environment / "bin/python")
    with tempfile.TemporaryDirectory() as work:
        report = Path(work) / "report.json"
        used = run(
            [python, str(HERE / "rivals" / way.script), f"--data={data}", f"--report={report}"],
            cwd=Path(work),
            env={
                "PATH": os.environ["PATH"],
                "HOME": work,
                "LANG": "C.UTF-8",
                "OMP_NUM_THREADS": str(threads),
                "HF_HUB_OFFLINE": "1",
                "PYTHONWARNINGS": "ignore",
                **way.variables,
            },
            cores=os.sched_getaffinity(0),
            timeout=SLOWEST_S,
        )
        if used.status != 0:
            said = (Path(work) / "output.txt").read_text(errors="replace").strip().splitlines()
            return {"error": "ended after its time" if used.status is None else " | ".join(said[-3:])}
        return {"error": "", **json.loads(report.read_text()), "peak_rss_mb": used.peak_rss_mb}


def compare(
    part: str, count: int, names: Sequence[str], rounds: int, environments: Path, console: Console
) -> dict[str, Any]:
    """Medians of each way's figures, by its name."""
    runs: dict[str, list[dict[str, Any]]] = {}
    record: dict[str, Any] = {"count": count, "ways": {}, "not_run": {}}
    threads = (os.cpu_count() or 1) if part == "tokenising" else 1
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        MAKE[part](data, count)
        for number in range(1, rounds + 1):
            for name, way in PARTS[part].items():
                if name not in names or name in record["not_run"]:
                    continue
                if way.environment and not (environments / way.environment / "bin/python").exists():
                    record["not_run"][name] = "no environment; make it with: python benchmarks/student.py --setup"
                    continue
                found = measure(way, data, environments, threads)
                if found["error"]:
                    record["not_run"][name] = found["error"]
                    continue
                runs.setdefault(name, []).append(found)
                console.print(
                    f"{part}, round {number}: {name}: {found['cpu_s']:.2f} CPU s", style="dim", highlight=False
                )
    tokens = int(lengths(count, 0).sum())
    for name, entries in runs.items():
        entry = {key: statistics.median(e[key] for e in entries) for key in entries[0] if key != "error"}
        if "rows" in entry:
            entry["fill"] = tokens / (entry["rows"] * ROW)
        else:
            entry["tokens_per_cpu_s"] = entry["tokens"] / entry["cpu_s"]
            entry["tokens_per_s"] = entry["tokens"] / entry["wall_s"]
        record["ways"][name] = entry
    return record


def judge(parts: dict[str, Any]) -> list[dict[str, Any]]:
    """What the project promises, and whether it is so; ``met`` is None where a rival was not run."""
    ways = {part: record["ways"] for part, record in parts.items()}
    found: list[dict[str, Any]] = []

    def promise(name: str, part: str, against: str, least: float, figure: Callable[[Any, Any], float]) -> None:
        ours, other = ways.get(part, {}).get("ours"), ways.get(part, {}).get(against)
        value = figure(ours, other) if ours and other else None
        found.append({"name": name, "least": least, "value": value, "met": None if value is None else value >= least})

    def faster(key: str) -> Callable[[Any, Any], float]:
        return lambda ours, other: float(ours[key] / other[key])

    def smaller(ours: Any, other: Any) -> float:
        return float(other["peak_rss_mb"] / ours["peak_rss_mb"])

    promise("training: useful tokens per CPU second beside TRL", "training", "trl bfd", 4.0, faster("tokens_per_cpu_s"))
    promise("the same beside a length-sorted loop", "training", "sorted loop", 1.2, faster("tokens_per_cpu_s"))
    promise("training: TRL's peak memory in multiples of ours", "training", "trl bfd", 2.5, smaller)
    promise("packing: fill", "packing", "ours", 0.9995, lambda ours, _: float(ours["fill"]))
    promise(
        "packing: 0.3 s in multiples of ours (a million lengths)", "packing", "ours", 1.0, lambda o, _: 0.3 / o["cpu_s"]
    )
    promise("tokenising: tokens per second beside TRL", "tokenising", "trl", 1.5, faster("tokens_per_s"))
    return found


def show(record: dict[str, Any], console: Console) -> None:
    for part, result in record["parts"].items():
        table = Table(
            title=f"{part}: {result['count']:,} examples", title_justify="left", box=None, padding=(0, 1, 0, 0)
        )
        columns = ["wall_s", "fill"] if part == "packing" else ["tokens_per_cpu_s", "tokens_per_s"]
        columns = ["cpu_s", *columns, "peak_rss_mb"]
        for column in ("way", *columns, "ours"):
            table.add_column(column, justify="left" if column == "way" else "right", no_wrap=True)
        ours = result["ways"].get("ours")
        for name, way in result["ways"].items():
            ratio = (
                f"{way['cpu_s'] / way.get('tokens', 1) / (ours['cpu_s'] / ours.get('tokens', 1)):.2f}x" if ours else ""
            )
            table.add_row(name, *(f"{way[c]:,.5g}" if way[c] < 100 else f"{way[c]:,.0f}" for c in columns), ratio)
        console.print(table)
        for name, reason in result["not_run"].items():
            console.print(f"not run: {name}: {reason}", highlight=False)
    for promise in record["promises"]:
        value = "-" if promise["value"] is None else f"{promise['value']:.4g}"
        verdict = {None: "not run", True: "met", False: "not met"}[promise["met"]]
        console.print(f"{promise['name']}: {value}, at least {promise['least']:g}: {verdict}", highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--ways", help="of each part, by name; default: all")
    parser.add_argument("--examples", type=int, default=200, help="to train on")
    parser.add_argument("--lengths", type=int, default=1_000_000, help="to pack")
    parser.add_argument("--texts", type=int, default=8000, help="to tokenise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--setup", action="store_true", help="make the rivals' environments, and end")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, metavar="DIR", help="where they are")
    options = parser.parse_args()
    if options.setup:
        set_up(options.environments, {w.environment for ways in PARTS.values() for w in ways.values() if w.environment})
        return
    console = Console()
    counts = {"training": options.examples, "packing": options.lengths, "tokenising": options.texts}
    record: dict[str, Any] = {"machine": machine(), "rounds": options.rounds, "parts": {}}
    for part in options.only.split(","):
        names = options.ways.split(",") if options.ways else list(PARTS[part])
        record["parts"][part] = compare(part, counts[part], names, options.rounds, options.environments, console)
    record["promises"] = judge(record["parts"])
    show(record, console)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    from importlib.metadata import version

    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in cpus if line.startswith("model name")), "")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **{name: version(name) for name in LIBRARIES if name in ("torch", "transformers", "lightning", "datasets")},
    }


if __name__ == "__main__":
    main()
