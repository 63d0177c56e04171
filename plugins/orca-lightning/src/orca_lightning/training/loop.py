"""Running a training: Lightning's Trainer over a plan, a line of metrics per step, and a state to resume from."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from orca_core.errors import UserError
from orca_lightning.config import LightningConfig
from orca_lightning.job import Job
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.metrics import MetricsLog
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.state import Facts, Saver, newest, read_facts, restore_state
from orca_lightning.training.steps import Plan, Step, Steps
from orca_lightning.training.throughput import Speed
from orca_lightning.training.validation import Progress, Validator
from orca_lightning.training.verify import verify

log = logging.getLogger(__name__)
Report = Callable[[dict[str, Any]], None]
"""Told the figures of each step, in the main process."""


def run(
    module: ResponseTraining,
    plan: Plan,
    job: Job,
    *,
    tokenizer: Tokenizer,
    validator: Validator | None = None,
    keep_best: Callable[[], None] = lambda: None,
    report: Report = lambda figures: None,
) -> None:
    """Train ``module`` through ``plan``, from where an earlier attempt in ``job.out`` left off.

    Args:
        module: what is trained.
        plan: the steps.
        job: where states and metrics go.
        tokenizer: shows what is trained on.
        validator: measures on held-out examples.
        keep_best: called in all processes whenever a measurement is the best so far.
        report: told the figures of each step.

    Raises:
        UserError: a loss or gradient is not a number any more; the last saved state stays.
        VerificationError: packed examples do not train as they do alone.
    """
    state = newest(job.state)
    facts = read_facts(state)
    module.done = facts.get("step", 0)
    # with nothing left to do, the state is put back all the same: the caller takes the result from the module
    start = plan.steps if facts.get("stopped") else module.done
    journal = Journal(job, plan, tokenizer, state, validator, keep_best, report)
    trainer = pl.Trainer(
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[journal],
        **_placement(job.config),
    )
    steps = Steps(
        plan, micro_rows=job.config.micro_rows, start=start, rank=trainer.global_rank, world=trainer.world_size
    )
    trainer.fit(module, DataLoader(steps, batch_size=None))


def _placement(config: LightningConfig) -> dict[str, Any]:
    """The Trainer's arguments that say where and in which numbers to train."""
    # weights of 16 bits, and sharded layers, have a precision of their own: the Trainer's would change the batches, the shards
    precision = "bf16-mixed" if (config.precision, config.strategy) == ("bf16-mixed", "single") else "32-true"
    if config.strategy == "single":
        return {"devices": 1, "precision": precision}
    from orca_lightning.training.sharding import ShardedStrategy

    placed = {"devices": config.devices, "num_nodes": config.nodes, "strategy": ShardedStrategy(config)}
    return {**placed, "precision": precision}


class Journal(pl.Callback):
    """Writes the metrics of each step and, every so often, the state; puts an earlier attempt's state back at the start.

    The state knows how long the metrics file was: what a killed attempt wrote beyond is cut off, so each step is there once.
    """

    def __init__(
        self,
        job: Job,
        plan: Plan,
        tokenizer: Tokenizer,
        state: Path | None,
        validator: Validator | None,
        keep_best: Callable[[], None],
        report: Report,
    ) -> None:
        self.job, self.plan, self.tokenizer, self.state = job, plan, tokenizer, state
        self.validator, self.keep_best, self.report = validator, keep_best, report
        self.saver = Saver(job.state)
        self.tokens = self.targets = 0
        self.stopping = False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        facts = read_facts(self.state)
        untrained = self._measured(pl_module) if self.validator is not None and self.state is None else None
        self._verify(trainer, pl_module)  # after the measurement: its backward pass is what leaves parameters sharded
        if self.state is not None:
            self._resume(trainer, pl_module, self.state, facts)
        elif self.job.moments is not None:
            restore_state(self.job.moments, pl_module.model, trainer.optimizers[0], moments_only=True)
        if trainer.is_global_zero:
            self.log = MetricsLog(self.job, facts.get("metrics_bytes", 0))
            if untrained is not None:
                self._tell(untrained)
        if trainer.world_size == 1:  # several processes would not stop at the same step
            signal.signal(signal.SIGTERM, self._stop)
        self.speed = Speed(pl_module.model, self.job.config, trainer)
        self.saved = time.monotonic()

    def _verify(self, trainer: pl.Trainer, module: Any) -> None:
        if self.job.config.packing == "naive":
            return  # examples that share a row are meant to see each other
        device = trainer.strategy.root_device
        with trainer.precision_plugin.forward_context():
            seen = verify(module.loss, self.plan.corpus, self.tokenizer, device=device)
        if trainer.is_global_zero:
            self.report(asdict(seen))

    def _resume(self, trainer: pl.Trainer, module: Any, state: Path, facts: Facts) -> None:
        config, saved_by = self.job.config, facts["world"]
        if config.strategy == "fsdp" and config.optimizer == "adamw-8bit" and saved_by != trainer.world_size:
            raise UserError(
                f"the training was saved by {saved_by} processes, and the blocks of moments in 8 bits cannot be cut otherwise: "
                f"go on with as many (student.devices x student.nodes = {saved_by}), or delete {state} to begin anew"
            )
        restore_state(state, module.model, trainer.optimizers[0], module.average)
        self.tokens, self.targets = facts["tokens"], facts["targets"]
        if self.validator is not None:
            self.validator.progress = Progress(**facts["validation"])
        if facts["world"] != trainer.world_size:
            log.info("training goes on with %d processes; it was saved by %d", trainer.world_size, facts["world"])

    def _stop(self, number: int, frame: Any) -> None:
        self.stopping = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Step, batch_idx: int
    ) -> None:
        trained = pl_module.trained
        self.tokens += trained.tokens
        self.targets += trained.targets
        figures = {"step": pl_module.done, "tokens": self.tokens, "targets": self.targets, **pl_module.figures}
        for name in ("loss", "grad_norm"):
            if not math.isfinite(figures[name]):
                raise UserError(
                    f"the {name} is {figures[name]} at step {pl_module.done}; a lower student.learning_rate or more "
                    "student.warmup_ratio may help (the last good state is kept)"
                )
        if trainer.is_global_zero:
            self.log.write(figures)
            self.report({**figures, **self.speed(trained)})
        ended = self._validate(trainer, pl_module)
        due = self.stopping or time.monotonic() - self.saved >= self.job.config.checkpoint_seconds
        if ended or trainer.strategy.broadcast(due):
            self._save(trainer, pl_module, stopped=ended)
        if self.stopping:
            self.saver.wait()
            raise SystemExit(128 + signal.SIGTERM)

    def _validate(self, trainer: pl.Trainer, module: Any) -> bool:
        """Measure if it is due; whether training has to end, as nothing gets better."""
        if self.validator is None or not self.validator.due(module.done, self.plan.steps):
            return False
        measured = self._measured(module)
        if trainer.is_global_zero:
            self._tell(measured)
        self.validator.progress.enough = module.enough(measured)
        if self.validator.judge(measured["validation_loss"]):
            self.keep_best()
        if self.validator.exhausted:
            trainer.should_stop = True
        return self.validator.exhausted

    def _measured(self, module: Any) -> dict[str, Any]:
        assert self.validator is not None
        return {"step": module.done, "tokens": self.tokens, **self.validator.measure(module)}

    def _tell(self, figures: dict[str, Any]) -> None:
        self.log.write(figures)
        self.report(figures)

    def _save(self, trainer: pl.Trainer, module: Any, *, stopped: bool = False) -> None:
        facts: Facts = {"step": module.done, "tokens": self.tokens, "targets": self.targets}
        facts |= {"world": trainer.world_size, "stopped": stopped}
        if self.validator is not None:
            facts["validation"] = asdict(self.validator.progress)
        if trainer.is_global_zero:
            facts["metrics_bytes"] = self.log.flush()
        self.saver.save(module.model, trainer.optimizers[0], facts, module.average)
        self.saved = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._save(trainer, pl_module, stopped=self.validator is not None and self.validator.exhausted)
        self.saver.wait()
        if trainer.is_global_zero:
            self.log.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        self.saver.wait()  # what was begun before things went wrong is good
