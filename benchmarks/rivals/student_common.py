"""What every runner of student.py shares: the data, the sizes, the report. Standard library and numpy: each has its own environment.

A runner takes ``--data``, a folder that student.py has filled, and leaves its figures, a JSON object, in ``--report``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROW = 2048
"""Tokens of a packed row."""
ROWS = 4
"""Rows of an optimizer step."""
RATE = 1e-3


class Data:
    """Examples as tokens: ``ids[starts[i]:starts[i + 1]]``, of which the first ``prompts[i]`` are the prompt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        """A Hugging Face directory with a tokenizer."""
        settings = folder / "settings.json"
        self.settings: dict[str, Any] = json.loads(settings.read_text()) if settings.exists() else {}
        """``shape`` of a model that is made anew instead, and of each runner what differs from its defaults."""
        with np.load(folder / "data.npz") as stored:
            self.ids, self.starts, self.prompts = (stored[name] for name in ("ids", "starts", "prompts"))

    def __len__(self) -> int:
        return len(self.prompts)

    def example(self, i: int) -> tuple[Any, int]:
        """The tokens of an example and how many of them are the prompt."""
        return self.ids[self.starts[i] : self.starts[i + 1]], int(self.prompts[i])


def module_of(package: str, path: str) -> Any:
    """One module of an installed package, loaded by its path: importing the package would ask for all that it trains with."""
    root = importlib.util.find_spec(package)
    assert root is not None
    assert root.submodule_search_locations is not None
    spec = importlib.util.spec_from_file_location(Path(path).stem, Path(root.submodule_search_locations[0]) / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def on_device() -> dict[str, Any]:
    """The name of the GPU and the most memory of it that this process had; empty on a machine without one."""
    import torch

    if not torch.cuda.is_available():
        return {}
    return {"device": torch.cuda.get_device_name(), "gpu_peak_gb": torch.cuda.max_memory_allocated() / 1e9}


class Clock:
    """Seconds and tokens from the end of the first step, which sets things up, to the end of the last."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float, int]] = []

    def step(self, tokens: int) -> None:
        """A step has ended; ``tokens`` useful ones (no padding) have been seen so far."""
        self.marks.append((time.perf_counter(), time.process_time(), tokens))

    def figures(self) -> dict[str, float]:
        (wall, cpu, tokens), (wall_end, cpu_end, tokens_end) = self.marks[0], self.marks[-1]
        return {"wall_s": wall_end - wall, "cpu_s": cpu_end - cpu, "tokens": tokens_end - tokens}


def timed(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Seconds of some work in this process and the children that it waits for."""
    wall, cpu = time.perf_counter(), _cpu()
    result = work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu() - cpu}, result


def _cpu() -> float:
    import resource

    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def main(work: Callable[[Path], dict[str, Any]]) -> None:
    """Run ``work`` on the data's folder and leave its figures behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    options.report.write_text(json.dumps(work(options.data)))
