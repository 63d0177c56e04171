"""A training job as the parent writes it and the child reads it: one JSON file and the examples beside it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from orca_lightning.config import LightningConfig

MARK = "@orca "
"""Begins a line that the child tells its parent; JSON follows."""


def tell(**facts: Any) -> None:
    """Tell the parent, in one write so that lines of several processes do not mix."""
    sys.stdout.write(f"{MARK}{json.dumps(facts)}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Job:
    """One fit. ``out`` holds everything: results, and under ``work/`` what only the training needs."""

    config: LightningConfig
    epochs: int
    init: Path | None
    out: Path
    seed: int

    @property
    def work(self) -> Path:
        """Examples as tokens, saved training state, the child's log; gone when the fit is done."""
        return self.out / "work"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer, chat template included, as a Hugging Face directory."""
        return self.work / "tokenizer"

    @property
    def corpus(self) -> Path:
        """The examples as tokens: a directory of :class:`orca_lightning.text.corpus.Corpus`."""
        return self.work / "corpus"

    @property
    def held_out(self) -> Path:
        """The examples held out for validation, likewise; absent if there are none."""
        return self.work / "held_out"

    @property
    def state(self) -> Path:
        """The saved training states."""
        return self.work / "state"

    @property
    def own(self) -> Path:
        """What a method's training keeps for itself until the fit is done."""
        return self.work / "own"

    @property
    def moments(self) -> Path | None:
        """The optimizer's state that the phase before left, if this one is to take it over."""
        if self.init is None or self.config.optimizer_state == "reset":
            return None
        return self.init.parent / "optimizer"

    @property
    def own_moments(self) -> Path:
        """The optimizer's state that this phase leaves for the next one, if the config keeps it."""
        return self.out / "optimizer"

    @property
    def best(self) -> Path:
        """The model of the lowest validation loss, as a Hugging Face directory."""
        return self.out / "best"

    @property
    def last(self) -> Path:
        """The model after the last step, where the best one is the result."""
        return self.out / "last"

    @property
    def checkpoint(self) -> Path:
        """The result: a Hugging Face model directory. It appears under this name only when it is whole."""
        return self.out / "checkpoint"

    @property
    def metrics(self) -> Path:
        """A JSON object per optimizer step."""
        return self.out / "metrics.jsonl"

    def write(self) -> Path:
        """Write ``work/job.json``; returns its path."""
        path = self.work / "job.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            json.dumps(
                {
                    "kind": f"{type(self.config).__module__}:{type(self.config).__qualname__}",
                    "config": self.config.model_dump(mode="json"),
                    "epochs": self.epochs,
                    "init": os.fspath(self.init) if self.init else None,
                    "out": os.fspath(self.out),
                    "seed": self.seed,
                },
                indent=1,
            )
        )
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        """The job of a file written by :meth:`write`, with a config of the class that it had, which may be another plugin's."""
        data = json.loads(path.read_text())
        kind: type[LightningConfig] = resolve_name(data["kind"])
        init = Path(data["init"]) if data["init"] else None
        return cls(kind.model_validate(data["config"]), data["epochs"], init, Path(data["out"]), data["seed"])
