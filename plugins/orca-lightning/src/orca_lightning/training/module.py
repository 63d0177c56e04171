"""The training step as a LightningModule, which a method that trains otherwise subclasses; its config names the subclass.

What may be overridden: ``planned`` (how many steps there are, of which examples), ``attach`` (what is needed before the first
step), ``widened`` (what a step trains on), ``micro_loss``, ``gradients`` (of a step), ``update`` (what the optimizer makes of them),
and of measurements on held-out examples ``measured`` and ``enough``. Whatever a subclass keeps from step to step must follow from
seed, step and weights, or lie in ``job.own`` before it is used: that is what makes a killed training end in the same bits.

A batch is a whole optimizer step (:class:`orca_lightning.training.steps.Step`), so the loss is normalised by the target tokens of the
step over all its micro-batches and processes: however a step is split, its gradient is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from orca_lightning.config import LightningConfig
from orca_lightning.job import Job
from orca_lightning.network.lean import slim
from orca_lightning.network.loss import ResponseLoss
from orca_lightning.network.model import Model
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training import average
from orca_lightning.training.adapters import add_adapters, reset_adapters
from orca_lightning.training.average import Average
from orca_lightning.training.optim import adamw, learning_rate, set_rate
from orca_lightning.training.steps import MicroBatch, Plan, Step


class ResponseTraining(pl.LightningModule):
    """Fine-tuning with loss on responses.

    Args:
        model: a causal language model that attends by documents (:mod:`orca_lightning.network.attention`).
        config: optimizer, schedule, clipping.
        steps: steps of the whole training, which the schedule spans.
        seed: of dropout, drawn anew for each step, so that nothing of it has to be saved.
        weights: safetensors to fill the model with once it is sharded, if it has no values yet.
        done: steps that are done already.
    """

    def __init__(
        self,
        model: Model,
        config: LightningConfig,
        *,
        steps: int,
        seed: int = 0,
        weights: Path | None = None,
        done: int = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        if config.lora is not None:
            add_adapters(model, config.lora, seed)
        if config.precision == "bf16-true":
            for parameter in model.parameters():  # the parameters alone: rotary frequencies need their 32 bits
                parameter.data = parameter.data.to(torch.bfloat16)
        slim(model)
        model.train()
        self.loss = ResponseLoss(model)
        if config.activation_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.config, self.steps, self.seed, self.weights, self.done = config, steps, seed, weights, done
        self.average: Average | None = None
        """A moving average of the weights, if the config wants one: it is validated, and becomes the result."""
        self.figures: dict[str, float] = {}
        """Of the last step: ``loss`` (nats per target token), ``grad_norm``, ``learning_rate``."""
        self.trained: Step | None = None
        """What the last step trained on."""

    @classmethod
    def planned(cls, job: Job, corpus: Corpus) -> Plan:
        """The steps of a training; here, packed rows of all examples, epoch after epoch."""
        config = job.config
        return Plan(
            corpus,
            row_tokens=config.max_length,
            batch_rows=config.batch_rows,
            seed=job.seed,
            epochs=job.epochs,
            token_budget=config.token_budget,
            packing=config.packing,
        )

    def attach(self, job: Job, plan: Plan, tokenizer: Tokenizer) -> None:
        """Told once, before training begins or goes on, what it is about; here nothing more is needed."""

    def widened(self, step: Step) -> Step:
        """What step ``self.done`` trains on; here, what the plan says. Called before the step, outside of autograd."""
        return step

    def micro_loss(self, batch: MicroBatch) -> Tensor:
        """The summed loss of a micro-batch; the step divides by its number of target tokens."""
        total: Tensor = self.loss(*batch.inputs)
        return total

    def measured(self, held_out: Corpus) -> dict[str, float]:
        """More figures of a measurement on held-out examples, beside their loss; called outside of autograd, in evaluation mode."""
        return {}

    def enough(self, figures: Mapping[str, float]) -> bool:
        """Whether a measurement says that training may end; here, none does."""
        return False

    def gradients(self, step: Step) -> Tensor:
        """Leave the step's gradient in the parameters; returns this process' part of its loss."""
        loss = torch.zeros((), device=self.device)
        for batch in step.micro:
            # Sharded gradients are averaged over the processes; the loss of a step is a sum over them.
            part = self.micro_loss(batch) * (self.trainer.world_size / step.targets)
            self.manual_backward(part)
            loss += part.detach()
        return loss

    def update(self, optimizer: Any) -> None:
        """Have the optimizer go a step along the gradients in the parameters, which are clipped; called outside of autograd."""
        optimizer.step()

    def training_step(self, step: Step, batch_idx: int) -> None:
        """Gather the step's gradient, clip, step."""
        torch.manual_seed(_draw(self.seed, self.done, self.trainer.global_rank))
        with torch.no_grad():
            self.trained = step = self.widened(step)
        optimizer: Any = self.optimizers()
        rate = learning_rate(self.config, self.done, self.steps)
        set_rate(optimizer, rate)
        loss = self.gradients(step)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        with torch.no_grad():
            self.update(optimizer)
        optimizer.zero_grad()
        self.done += 1
        if self.average is not None and self.config.ema is not None:
            average.update(self.average, self.model, self.config.ema, self.done)
        self.figures = {
            "loss": self._mean(loss),
            "grad_norm": float(norm.full_tensor() if isinstance(norm, DTensor) else norm),
            "learning_rate": rate,
        }

    def _mean(self, value: Tensor) -> float:
        """The mean over the processes."""
        return float(self.trainer.strategy.reduce(value, reduce_op="mean"))

    @property
    def model(self) -> Model:
        """The network inside the loss."""
        return self.loss.model

    def configure_model(self) -> None:
        if self.config.strategy == "fsdp" and not isinstance(self.loss, FSDPModule):
            from orca_lightning.training.sharding import materialise, shard

            mesh: Any = self.device_mesh
            shard(self.loss, mesh["data_parallel"], self.config)
            if self.weights is not None:
                home = self.trainer.strategy.root_device
                materialise(self.model, self.weights, home, offload=self.config.cpu_offload)
                reset_adapters(self.model, self.seed)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.config.ema is not None:
            self.average = average.begin(self.model)
        return adamw(self.model, self.config)

    def transfer_batch_to_device(self, batch: Step, device: torch.device, dataloader_idx: int) -> Step:
        return batch.to(device)


def _draw(*numbers: int) -> int:
    """A random seed as a function of some numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
