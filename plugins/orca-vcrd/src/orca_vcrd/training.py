"""VCRD's training (arXiv 2605.04078, by our reading): each token of the teacher's answer counts by the validity of its step.

delta   = vT - vS                                      teacher's and student's next step behind one prefix
w[step] = clip(vT^gamma * 2 sigmoid(beta delta))       a constant; 1 for what closes an answer
L       = sum(w * ce) / targets                        or / sum(w)
"""

from __future__ import annotations

import numpy as np
import torch
from orca_lightning.job import Job
from orca_lightning.methods import Segmenter, WeightMeter, weighted_sum
from orca_lightning.queries import kept_queries
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.steps import MicroBatch, Plan, Step
from torch import Tensor

from orca_vcrd.config import VcrdConfig
from orca_vcrd.making import checker_of
from orca_vcrd.policy import Policy
from orca_vcrd.rounds import SOURCES, Round, Rounds


class VcrdTraining(ResponseTraining):
    """See the module. Arguments are those of the class that it extends."""

    config: VcrdConfig

    def attach(self, job: Job, plan: Plan, tokenizer: Tokenizer) -> None:
        """Find the teacher's traces, and who judges steps; see the class extended."""
        self.plan = plan
        self.meter = WeightMeter(SOURCES)
        self.round: tuple[int, Round] | None = None
        if self.config.objective == "sft":
            return
        traces = kept_queries(job)
        examples = [traces[source] for source in plan.corpus.sources.tolist()]
        segmenter = Segmenter(tokenizer, self.config.delimiter)
        policy = Policy(self.model, tokenizer, self.config, segmenter)
        checker = checker_of(self.config, job, policy, examples)
        self.rounds = Rounds(job.own / "rounds", self.config, plan.corpus, segmenter, policy, checker, self.seed)
        self.token_weights = torch.ones(len(plan.corpus.ids))
        self.sources = torch.zeros(len(plan.corpus.ids), dtype=torch.long)
        self.scale = 1.0

    def widened(self, step: Step) -> Step:
        """The step as it is planned; the weights of its tokens are worked out here."""
        self.meter.clear()
        if self.config.objective != "sft":
            self._begin_round()
            total = sum(float(self.token_weights[_places(batch)].sum()) for batch in step.micro)
            by_weights = self.config.normalise == "weights" and total
            self.scale = step.targets / total if by_weights else 1.0
        return step

    def _begin_round(self) -> None:
        refresh = self.config.refresh
        first = self.done - self.done % refresh
        if self.round is not None and self.round[0] == first:
            return
        coming = range(first, min(first + refresh, self.plan.steps))
        answers = np.unique(np.concatenate([row for step in coming for row in self.plan.step_rows(step)]))
        self.round = first, self.rounds.at(first, answers)
        for answer in self.rounds.weighed(self.round[1]):
            self.token_weights[answer.where] = torch.from_numpy(answer.weights).float()
            self.sources[answer.where] = torch.from_numpy(answer.sources)

    def micro_loss(self, batch: MicroBatch) -> Tensor:
        """The summed weighted loss; see the class extended."""
        if self.config.objective == "sft":
            return super().micro_loss(batch)
        ce = self.loss(*batch.inputs, each=True)[batch.places >= 0]
        places = _places(batch)
        self.meter.add(self.token_weights[places], self.sources[places])
        return weighted_sum(ce, self.token_weights[places].to(ce)) * self.scale

    def training_step(self, step: Step, batch_idx: int) -> None:
        """A step, and what is to be told of it; see the class extended."""
        super().training_step(step, batch_idx)
        if self.round is not None:
            self.figures |= self.meter.figures() | self.round[1].figures


def _places(batch: MicroBatch) -> Tensor:
    """Where the targets of a batch lie in the corpus, ``[targets]``, in main memory, as the weights are."""
    return batch.places[batch.places >= 0].cpu()
