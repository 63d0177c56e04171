"""Loss on examples that are held out, and what follows from it: which weights were the best, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from orca_lightning.config import LightningConfig
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.average import in_place
from orca_lightning.training.steps import Plan, Steps

if TYPE_CHECKING:
    from orca_lightning.training.module import ResponseTraining


@dataclass
class Progress:
    """How validation has gone so far; part of the training state's facts."""

    best: float = math.inf
    """The lowest loss measured."""
    waited: int = 0
    """Measurements since then."""
    enough: bool = False
    """Whether the method that trains has reached what it was for."""


class Validator:
    """Measures the loss on held-out examples.

    Args:
        corpus: the examples.
        config: how they are packed, how often to measure, when to stop.
        every: steps between two measurements.
    """

    def __init__(self, corpus: Corpus, config: LightningConfig, *, every: int) -> None:
        plan = Plan(corpus, row_tokens=config.max_length, batch_rows=config.batch_rows, seed=0, epochs=1)
        self.plan, self.config = plan, config
        self.every = config.validation.every or every
        self.progress = Progress()

    def due(self, step: int, steps: int) -> bool:
        """Whether to measure after step ``step`` (from 1) of ``steps``: regularly, and at the end."""
        return step % self.every == 0 or step == steps

    @torch.no_grad()
    def measure(self, module: ResponseTraining) -> dict[str, float]:
        """``validation_loss`` in nats per target token, its exponential, the ``perplexity``, and what the method adds.

        All processes take part; each looks at its rows. An average of the weights is what is measured, where one is kept.
        """
        trainer: Any = module.trainer
        steps = Steps(self.plan, micro_rows=self.config.micro_rows, rank=trainer.global_rank, world=trainer.world_size)
        total, targets = torch.zeros((), dtype=torch.float64), 0
        module.eval()
        with in_place(module.average, module.model), trainer.precision_plugin.forward_context():
            for index in range(len(steps)):
                step = steps[index].to(module.device)
                targets += step.targets
                total += sum(float(module.loss(*batch.inputs)) for batch in step.micro)
            more = module.measured(self.plan.corpus)
        module.train()
        loss = float(trainer.strategy.reduce(total.to(module.device), reduce_op="sum")) / targets
        return {"validation_loss": loss, "perplexity": math.exp(min(loss, 700.0)), **more}

    def judge(self, loss: float) -> bool:
        """Take a measurement into account: whether it is the best so far."""
        better = loss < self.progress.best
        self.progress.best = min(loss, self.progress.best)
        self.progress.waited = 0 if better else self.progress.waited + 1
        return better

    @property
    def exhausted(self) -> bool:
        """Whether training ends: enough is reached, or so many measurements brought nothing better."""
        patience = self.config.validation.patience
        return self.progress.enough or (patience is not None and self.progress.waited >= patience)
