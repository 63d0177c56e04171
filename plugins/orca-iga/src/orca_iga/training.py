"""IGA's training (after arXiv 2606.05025): a gradient for each domain, a mask where they disagree, and a step that it damps.

L_k    = mean cross-entropy over the targets of domain k in the step, k = 1..K
Gbar   = mean_k dL_k/dW
stage "update":    W <- W + M (W' - W), W' being where the optimizer goes from W along Gbar
stage "gradient":  the optimizer goes along M Gbar
with LoRA:         the same of the whole matrix, brought to the adapters' rank and pulled back to them
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from orca_lightning.job import Job
from orca_lightning.network.model import Model
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.steps import Plan, Step
from torch import Tensor

from orca_iga.config import IgaConfig
from orca_iga.gradients import OfMatrices, OfParameters
from orca_iga.masks import Moments, and_mask, conflict_mask, shuffled
from orca_iga.sets import IsomerStep, SetPlan, by_domain


class IgaTraining(ResponseTraining):
    """See the module. Arguments are those of the class that it extends."""

    config: IgaConfig

    def __init__(self, model: Model, config: IgaConfig, **told: Any) -> None:
        super().__init__(model, config, **told)
        whole = config.lora is not None and config.mask != "none"
        self.source: OfMatrices | OfParameters = OfMatrices(self.model) if whole else OfParameters(self.model)
        self.masks: dict[str, Tensor] = {}
        """Of the last step, by the name of what they belong to."""

    @classmethod
    def planned(cls, job: Job, corpus: Corpus) -> Plan:
        """Whole isomer sets; see the class extended."""
        return SetPlan.of(job, corpus)

    def attach(self, job: Job, plan: Plan, tokenizer: Tokenizer) -> None:
        """See the class extended."""
        self.plan = plan

    def widened(self, step: Step) -> Step:
        """The step's sets by domain."""
        return by_domain(self.plan, self.done, self.config.micro_rows, self.device)

    def gradients(self, step: Step) -> Tensor:
        """Each domain's gradient in turn; leaves their mean, and the masks beside it."""
        assert isinstance(step, IsomerStep)  # widened() made it
        found: dict[str, Moments] = defaultdict(Moments)
        loss = torch.zeros((), device=self.device)
        with self.source.watched():
            for part in step.parts:
                for batch in part.micro:
                    mean = self.micro_loss(batch) / part.targets
                    self.manual_backward(mean)
                    loss += mean.detach() / len(step.parts)
                with torch.no_grad():
                    for name, gradient in self.source.take():
                        found[name].add(gradient)
        with torch.no_grad():
            self.masks = {name: self._mask(name, moments) for name, moments in found.items() if self._masked(name)}
            means = {name: moments.mean for name, moments in found.items()}
            if isinstance(
                self.source, OfMatrices
            ):  # what is pulled back to adapters is masked before; update() masks the rest
                means = {name: self.masks[name] * mean for name, mean in means.items()}
            self.source.put(means)
        return loss

    def _masked(self, name: str) -> bool:
        if self.config.mask == "none":
            return False
        if isinstance(self.source, OfMatrices):
            return True
        parameter, embeddings = self.source.parameters[name], self.model.get_input_embeddings().weight
        is_excluded = {"norms": parameter.ndim < 2, "embeddings": parameter is embeddings}
        return not any(is_excluded[kind] for kind in self.config.exclude)

    def _mask(self, name: str, moments: Moments) -> Tensor:
        if self.config.mask == "and":
            return and_mask(moments, self.config.agreement)
        mask = conflict_mask(moments, self.config.tau, self.config.normaliser)
        if self.config.mask == "conflict":
            return mask
        # a function of seed, step and name, so that a resumed training shuffles alike
        seed = np.random.SeedSequence([self.seed, self.done, *name.encode()]).generate_state(1)[0]
        return shuffled(mask, int(seed))

    def update(self, optimizer: Any) -> None:
        """The optimizer's step, as far as the masks let it; see the class extended."""
        if isinstance(self.source, OfMatrices):
            return super().update(optimizer)
        masked = {name: self.source.parameters[name] for name in self.masks}
        if self.config.stage == "gradient":
            for name, parameter in masked.items():
                assert parameter.grad is not None  # gradients() put it there
                parameter.grad.mul_(self.masks[name])
            return super().update(optimizer)
        before = {name: parameter.clone() for name, parameter in masked.items()}
        super().update(optimizer)
        for name, parameter in masked.items():
            # exactly the optimizer's own step where the mask is 1, none where it is 0
            parameter.copy_(torch.lerp(before[name], parameter, self.masks[name]))
        return None

    def training_step(self, step: Step, batch_idx: int) -> None:
        """A step, and the means of its masks, of all and of each layer; see the class extended."""
        super().training_step(step, batch_idx)
        self.figures |= mask_figures(self.masks)
        self.masks = {}


def mask_figures(masks: dict[str, Tensor]) -> dict[str, float]:
    """``mask_mean`` over all coordinates, and ``mask_layer_N`` (``mask_rest`` of what is in no layer); 1 where nothing is masked."""
    groups: dict[str, list[Tensor]] = defaultdict(list)
    for name, mask in masks.items():
        layer = re.search(r"\.(\d+)\.", name)
        groups[f"mask_layer_{layer[1]}" if layer else "mask_rest"].append(mask)
    means = {name: (float(sum(m.sum() for m in some)), sum(m.numel() for m in some)) for name, some in groups.items()}
    total, count = (sum(column) for column in zip(*means.values(), strict=True)) if means else (1.0, 1)
    return {"mask_mean": total / count, **{name: mean / size for name, (mean, size) in sorted(means.items())}}
