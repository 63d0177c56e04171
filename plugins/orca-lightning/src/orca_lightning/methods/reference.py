"""A model as it was, beside the one that is trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from orca_lightning.network.lean import slim
from orca_lightning.network.loss import ResponseLoss
from orca_lightning.network.model import Model
from orca_lightning.training.steps import MicroBatch


class Reference:
    """A frozen copy of a model, in evaluation mode. No ``nn.Module``: what holds it neither trains nor saves it.

    Args:
        model: copied as it is now; it takes the same memory once more.
    """

    def __init__(self, model: Model) -> None:
        copied = copy.deepcopy(model).eval().requires_grad_(False)
        slim(copied)
        self.loss = ResponseLoss(copied).eval()

    @torch.no_grad()
    def losses(self, batch: MicroBatch) -> Tensor:
        """Cross-entropy of each target under the copy, ``[targets]``, 0 where ignored."""
        losses: Tensor = self._placed(batch)(*batch.inputs, each=True)
        return losses

    @torch.no_grad()
    def logits(self, batch: MicroBatch) -> Tensor:
        """What the copy makes of each target, ``[targets, vocabulary]``."""
        logits: Tensor = self._placed(batch)(*batch.inputs, logits=True)
        return logits

    def _placed(self, batch: MicroBatch) -> ResponseLoss:
        return self.loss.to(batch.labels.device)
