"""Running a training: Lightning's Trainer over a plan, a line of metrics per step, and a state to resume from."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from orca_core.errors import UserError
from orca_lightning.config import LightningConfig
from orca_lightning.job import Job
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.state import Saver, read_facts, restore_state
from orca_lightning.training.steps import Plan, Step, Steps

log = logging.getLogger(__name__)
Report = Callable[[dict[str, float]], None]
"""Told the figures of each step, in the main process."""


def run(module: ResponseTraining, plan: Plan, job: Job, report: Report = lambda figures: None) -> None:
    """Train ``module`` through ``plan``, from where an earlier attempt in ``job.out`` left off.

    Raises:
        UserError: the loss is not a number any more; the last saved state stays.
    """
    module.done = read_facts(job.state).get("step", 0)
    if module.done >= plan.steps:
        return
    trainer = pl.Trainer(
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[Journal(job, report)],
        **_placement(job.config),
    )
    steps = Steps(
        plan, micro_rows=job.config.micro_rows, start=module.done, rank=trainer.global_rank, world=trainer.world_size
    )
    trainer.fit(module, DataLoader(steps, batch_size=None))


def _placement(config: LightningConfig) -> dict[str, Any]:
    """The Trainer's arguments that say where and in which numbers to train."""
    if config.strategy == "single":
        return {"devices": 1, "precision": config.precision}
    from orca_lightning.training.sharding import ShardedStrategy

    # Sharded layers have a precision of their own; the Trainer's would leave the shards themselves in 16 bits.
    placed = {"devices": config.devices, "num_nodes": config.nodes, "strategy": ShardedStrategy(config)}
    return {**placed, "precision": "32-true"}


class Journal(pl.Callback):
    """Writes the metrics of each step and, every so often, the state; puts an earlier attempt's state back at the start.

    The state knows how long the metrics file was: what a killed attempt wrote beyond is cut off, so each step is there once.
    """

    def __init__(self, job: Job, report: Report) -> None:
        self.job, self.report = job, report
        self.tokens = self.targets = 0
        self.stopping = False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        facts = read_facts(self.job.state)
        self.saver = Saver(self.job.state)
        if facts:
            restore_state(self.job.state, pl_module.model, trainer.optimizers[0])
            if facts["world"] != trainer.world_size:
                log.info("training goes on with %d processes; it was saved by %d", trainer.world_size, facts["world"])
            self.tokens, self.targets = facts["tokens"], facts["targets"]
        if trainer.is_global_zero:
            self.file = self.job.metrics.open("ab", buffering=0)
            self.file.truncate(facts.get("metrics_bytes", 0))
        if trainer.world_size == 1:  # several processes would not stop at the same step
            signal.signal(signal.SIGTERM, self._stop)
        self.saved = time.monotonic()

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Step, batch_idx: int
    ) -> None:
        self.tokens += batch.tokens
        self.targets += batch.targets
        figures = {"step": pl_module.done, "tokens": self.tokens, "targets": self.targets, **pl_module.figures}
        if not math.isfinite(figures["loss"]):
            raise UserError(
                f"the loss is {figures['loss']} at step {pl_module.done}; a lower student.learning_rate or more "
                "student.warmup_ratio may help (the last good state is kept)"
            )
        if trainer.is_global_zero:
            self.file.write(json.dumps(figures).encode() + b"\n")
            self.report(figures)
        due = self.stopping or time.monotonic() - self.saved >= self.job.config.checkpoint_seconds
        if trainer.strategy.broadcast(due):
            self._save(trainer, pl_module)
        if self.stopping:
            self.saver.wait()
            raise SystemExit(128 + signal.SIGTERM)

    def _save(self, trainer: pl.Trainer, module: Any) -> None:
        facts = {"step": module.done, "tokens": self.tokens, "targets": self.targets, "world": trainer.world_size}
        if trainer.is_global_zero:
            os.fsync(self.file.fileno())
            facts["metrics_bytes"] = os.fstat(self.file.fileno()).st_size
        self.saver.save(module.model, trainer.optimizers[0], facts)
        self.saved = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._save(trainer, pl_module)
        self.saver.wait()
