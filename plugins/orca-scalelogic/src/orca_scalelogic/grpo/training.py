"""GRPO's training: what a step trains on, the loss, and how good the policy's answers to held-out questions are.

r   [targets]   policy / policy when the answer was drawn, of each token
A   [answers]   rewards, standardised within the group of answers to a question
L = -sum(min(r A, clip(r, 1 - low, 1 + high) A)) / targets of the step (+ kl_weight KL to the start model)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from orca_lightning.answering.generate import Room
from orca_lightning.job import Job
from orca_lightning.methods import Reference, Rollout, Sampling, rollouts
from orca_lightning.methods.sequences import Ints, batches, prompt_of
from orca_lightning.network.model import Model
from orca_lightning.queries import judge, kept_queries
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.state import newest
from orca_lightning.training.steps import MicroBatch, Plan, Step
from torch import Tensor

from orca_core.records import FINISHED, Trace
from orca_scalelogic.grpo.config import GrpoConfig
from orca_scalelogic.grpo.levels import UpperDepth, depths_of
from orca_scalelogic.grpo.objective import clipped_loss, kl_estimate
from orca_scalelogic.grpo.rounds import Group, Round, Rounds


class GrpoTraining(ResponseTraining):
    """See the module. Arguments are those of the class that it extends."""

    config: GrpoConfig

    def __init__(self, model: Model, config: GrpoConfig, **told: Any) -> None:
        reference = Reference(model) if config.kl_weight and config.objective == "grpo" else None  # before adapters
        super().__init__(model, config, **told)
        self.reference = reference
        self.round: tuple[int, Round] | None = None
        """The present one, and its first step."""

    @classmethod
    def planned(cls, job: Job, corpus: Corpus) -> Plan:
        """Steps of ``batch_rows`` questions."""
        config = job.config
        told: dict[str, Any] = {"row_tokens": config.max_length, "batch_rows": config.batch_rows, "seed": job.seed}
        return Plan(corpus, **told, epochs=job.epochs, packing="alone")

    def attach(self, job: Job, plan: Plan, tokenizer: Tokenizer) -> None:
        """Find the queries, for verdicts on own answers; see the class extended."""
        self.job, self.plan, self.tokenizer, self.judge = job, plan, tokenizer, judge(job)
        self.examples = kept_queries(job)
        self.rounds = Rounds(job.own / "rounds", self.config.refresh)
        self.upper: UpperDepth | None = None
        if self.config.levels is not None:
            self.depths = depths_of(self.examples)[plan.corpus.sources]
            self.upper = UpperDepth(job.own / "levels.json", self.config.levels, int(self.depths.max()))

    @cached_property
    def held_out(self) -> list[Trace]:
        """The examples held out, with their queries."""
        return kept_queries(self.job, held_out=True)

    # what a step trains on

    def widened(self, step: Step) -> Step:
        """The teacher's answers to the step's questions, or the policy's own."""
        self.clipped, self.divergence = 0, 0.0
        if self.config.objective == "sft":
            return self._step(self.plan.corpus, self._questions(self.done))
        first, current = self._round()
        return self._step(current.corpus, np.flatnonzero(current.step == self.done - first))

    def _step(self, corpus: Corpus, items: Ints) -> Step:
        rng = np.random.default_rng([self.seed, self.done])
        told: dict[str, Any] = {"row_tokens": self.config.max_length, "rows": self.config.micro_rows}
        micro = tuple(batches(corpus, items, **told, rng=rng, device=self.device))
        return Step(micro, int(corpus.lengths[items].sum()), int(corpus.targets[items].sum()))

    def _questions(self, step: int) -> Ints:
        """The questions of a step: by the plan, each once an epoch; with levels, drawn from those that are not too deep."""
        planned = np.concatenate(self.plan.step_rows(step))
        if self.upper is None:
            return planned
        allowed = np.flatnonzero(self.depths <= self.upper.at(step - step % self._steps_of_a_round))
        rng = np.random.default_rng([self.seed, step, 1])
        return rng.choice(allowed, len(planned), replace=len(allowed) < len(planned))

    @property
    def _steps_of_a_round(self) -> int:
        return self.config.refresh if self.config.objective == "grpo" else 1

    def _round(self) -> tuple[int, Round]:
        refresh = self.config.refresh
        first = self.done - self.done % refresh
        if self.round is None or self.round[0] != first:
            made = self.rounds.at(first, lambda: self._drawn(first))
            if self.upper is not None:
                self.upper.told(first + refresh, made.accuracy)
            self.round = first, made
            if (state := newest(self.job.state)) is not None:
                self.rounds.forget(int(state.name))
        return self.round

    def _drawn(self, first: int) -> Round:
        """The round of the steps from ``first`` on, with answers by the policy as it is."""
        steps = [self._questions(step) for step in range(first, min(first + self.config.refresh, self.plan.steps))]
        questions = np.concatenate(steps)
        prompts = [prompt_of(self.plan.corpus, int(number)) for number in questions]
        seeds = [[self.seed, first, place] for place in range(len(prompts))]
        drawn = self._answers(prompts, seeds, count=self.config.group, temperature=1.0, top_p=1.0)
        asked = [self.examples[int(self.plan.corpus.sources[number])] for number in questions]
        groups = [
            Group(prompt, answers, [self._reward(example, one) for one in answers])
            for prompt, answers, example in zip(prompts, drawn, asked, strict=True)
        ]
        ends = np.cumsum([len(step) for step in steps]).tolist()
        return Round.of([groups[end - len(step) : end] for end, step in zip(ends, steps, strict=True)])

    def _answers(
        self,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[Sequence[int]],
        *,
        count: int,
        temperature: float,
        top_p: float,
    ) -> list[list[Rollout]]:
        generation = self.config.generation
        positions = min(self.config.max_length, self.model.config.max_position_embeddings)
        sampling = Sampling(count, generation.max_new_tokens, positions, temperature, top_p)
        room = Room(generation.batch_size, generation.batch_tokens)
        return rollouts(self.model, self.tokenizer, prompts, seeds, sampling, room=room)

    def _reward(self, example: Trace, answer: Rollout) -> float:
        """1 for an answer that the query's verifier finds right, 0 for any other, and for one that was cut off."""
        return float(answer.ended and self.judge(Trace(example.prompt, answer.text, "own", FINISHED)).correct is True)

    # the loss

    def micro_loss(self, batch: MicroBatch) -> Tensor:
        """The summed loss by the objective; see the class extended."""
        if self.config.objective == "sft":
            return super().micro_loss(batch)
        assert self.round is not None  # widened() comes first
        current, kept = self.round[1], batch.places >= 0
        ce, places = self.loss(*batch.inputs, each=True)[kept], batch.places[kept]
        starts = torch.from_numpy(current.corpus.starts).to(places)
        owner = torch.searchsorted(starts, places, right=True) - 1
        old = torch.from_numpy(current.old).to(ce)[places]
        loss, clipped = clipped_loss(ce, old, torch.from_numpy(current.advantage).to(ce)[owner], self.config.clip)
        self.clipped += int(clipped.sum())
        if self.reference is None:
            return loss
        penalty = kl_estimate(ce, self.reference.losses(batch)[kept]).sum()
        self.divergence += float(penalty.detach())
        return loss + self.config.kl_weight * penalty

    # what is told

    def training_step(self, step: Step, batch_idx: int) -> None:
        """A step, and what is to be told of it; see the class extended."""
        number = self.done
        super().training_step(step, batch_idx)
        if self.upper is not None:
            self.figures["upper_depth"] = self.upper.at(number - number % self._steps_of_a_round)
        if self.config.objective == "sft":
            return
        assert self.round is not None
        assert self.trained is not None
        first, current = self.round
        self.figures |= {**current.facts[number - first], "clipped": self.clipped / self.trained.targets}
        if self.reference is not None:
            self.figures["kl"] = self.divergence / self.trained.targets

    def measured(self, held_out: Corpus) -> dict[str, float]:
        """``accuracy`` on the ``questions`` held out, answered as the fitted student will answer (``generation``)."""
        prompts = [prompt_of(held_out, number) for number in range(len(held_out))]
        seeds = [[self.seed, number] for number in range(len(prompts))]
        how = self.config.generation
        answers = self._answers(prompts, seeds, count=1, temperature=how.temperature, top_p=how.top_p)
        asked = [self.held_out[int(source)] for source in held_out.sources]
        # one that left no room for an answer is not answered right
        right = np.array([any(self._reward(e, one) for one in some) for e, some in zip(asked, answers, strict=True)])
        if self.upper is not None and self.config.objective == "sft" and self.done:
            inside = depths_of(asked) <= self.upper.at(self.done - 1)
            if inside.any():
                self.upper.told(self.done, float(right[inside].mean()))
        return {"accuracy": float(right.mean()), "questions": float(len(right))}

    def enough(self, figures: Mapping[str, float]) -> bool:
        """Whether the accuracy that was wanted is reached."""
        return self.config.target is not None and figures["accuracy"] >= self.config.target
