"""RASFT's training (arXiv 2606.07006), and its relatives: what a step trains on, and the loss.

ce, ref [targets]                        cross-entropy under the policy and under the frozen start model
R_b = clip(exp(mean_t ce - mean_t ref))  of a sequence
w   = R_b * A_b * exp(-ce)               a constant
L   = sum(w * ce) / targets
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from orca_lightning.answering.generate import Room
from orca_lightning.job import Job
from orca_lightning.methods import Reference, Rollout, Sampling, WeightMeter, rollouts, weighted_sum
from orca_lightning.methods.sequences import Ints, batches, corpus_of, example, prompt_of, token_losses
from orca_lightning.network.model import Model
from orca_lightning.queries import judge, kept_queries
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.steps import MicroBatch, Plan, Step
from torch import Tensor
from torch.nn.functional import cross_entropy

from orca_rasft.config import RasftConfig
from orca_rasft.drift import drift
from orca_rasft.objectives import dft_weights, kl_divergence, proximal_loss, rasft_weights
from orca_rasft.rounds import Round, Rounds
from orca_rasft.window import shares

_WITH_REFERENCE = ("rasft", "kl")
_IN_ROUNDS = ("rasft", "proximal")


class RasftTraining(ResponseTraining):
    """See the module. Arguments are those of the class that it extends."""

    config: RasftConfig

    def __init__(self, model: Model, config: RasftConfig, **told: Any) -> None:
        wanted = config.objective in _WITH_REFERENCE or config.drift_prompts
        reference = Reference(model) if wanted else None  # before adapters are put in
        super().__init__(model, config, **told)
        self.reference = reference
        self.meter = WeightMeter(("expert", "own"))
        self.round: Round | None = None

    def attach(self, job: Job, plan: Plan, tokenizer: Tokenizer) -> None:
        """Find the queries, for verdicts on own answers; see the class extended."""
        self.job, self.plan, self.tokenizer = job, plan, tokenizer
        asked = kept_queries(job) if self.config.objective == "rasft" else []
        self.rounds = Rounds(job.own / "rounds", self.config, plan.corpus, asked, judge(job))
        self._current: tuple[int, Round] | None = None

    # what a step trains on

    def widened(self, step: Step) -> Step:
        """The step's problems, with the policy's own answers to them."""
        self.meter.clear()
        if self.config.objective not in _IN_ROUNDS:
            return step
        self.round = self._round()
        problems = [int(number) for row in self.plan.step_rows(self.done) for number in row]
        items, corpus = self.round.of_problems(problems), self.round.corpus
        rng = np.random.default_rng([self.seed, self.done])
        micro = tuple(
            batches(
                corpus,
                items,
                row_tokens=self.config.max_length,
                rows=self.config.micro_rows,
                rng=rng,
                device=self.device,
            )
        )
        return Step(micro, int(corpus.lengths[items].sum()), int(corpus.targets[items].sum()))

    def _round(self) -> Round:
        refresh = self.config.rollouts.refresh
        first = self.done - self.done % refresh
        if self._current is None or self._current[0] != first:
            coming = range(first, min(first + refresh, self.plan.steps))
            problems = np.unique(np.concatenate([row for step in coming for row in self.plan.step_rows(step)]))
            make = self._answered if self.config.objective == "rasft" else self._measured
            self._current = first, self.rounds.at(first, lambda: make(problems))
        return self._current[1]

    def _answered(self, problems: Ints) -> Round:
        """A round for RASFT: answers to the problems that the window lets through."""
        chosen = problems[self._drawn(problems)]
        answers = self._rollouts(self.plan.corpus, chosen, [[self.seed, self.done, int(p)] for p in chosen])
        return self.rounds.with_answers(problems, dict(zip(chosen.tolist(), answers, strict=True)))

    def _drawn(self, problems: Ints) -> Any:
        """Which problems get rollouts, ``[problems]`` of bool."""
        window, corpus = self.config.window, self.plan.corpus
        if window is None:
            return np.ones(len(problems), dtype=np.bool_)
        some = np.random.default_rng(self.seed).permutation(len(corpus))[: window.calibration]
        difficulty, calibration = (self._difficulty(items) for items in (problems, some))
        chances = shares(window, difficulty, calibration, self.done / self.plan.steps)
        return np.random.default_rng([self.seed, self.done, 1]).random(len(problems)) < chances

    def _difficulty(self, items: Ints) -> Any:
        """Mean cross-entropy of experts' answers, ``[items]``."""
        corpus = corpus_of([example(self.plan.corpus, int(number)) for number in items])
        return np.add.reduceat(self._token_losses(corpus), corpus.starts[:-1]) / corpus.targets

    def _measured(self, problems: Ints) -> Round:
        """A round for Proximal SFT: how likely the policy makes the expert's answers as it begins."""
        plain = self.rounds.with_answers(problems, {})
        return replace(plain, old=self._token_losses(plain.corpus), facts={})

    def _token_losses(self, corpus: Corpus) -> Any:
        told = {"row_tokens": self.config.max_length, "rows": self.config.micro_rows}
        return token_losses(self.loss, corpus, device=self.device, **told)

    def _rollouts(self, corpus: Corpus, items: Ints, seeds: list[list[int]], **changed: Any) -> list[list[Rollout]]:
        settings, generation = self.config.rollouts, self.config.generation
        sampling = {
            "count": settings.count,
            "max_new_tokens": settings.max_new_tokens or generation.max_new_tokens,
            "positions": min(self.config.max_length, self.model.config.max_position_embeddings),
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "repetition_penalty": settings.repetition_penalty,
        }
        prompts = [prompt_of(corpus, int(number)) for number in items]
        room = Room(generation.batch_size, generation.batch_tokens)
        return rollouts(self.model, self.tokenizer, prompts, seeds, Sampling(**{**sampling, **changed}), room=room)

    # the loss

    def micro_loss(self, batch: MicroBatch) -> Tensor:
        """The summed loss by the objective; see the class extended."""
        if self.config.objective == "sft":
            return super().micro_loss(batch)
        kept = batch.places >= 0
        if self.config.objective == "kl":
            return self._with_kl(batch, kept)
        ce = self.loss(*batch.inputs, each=True)[kept]
        if self.config.objective == "dft":
            return self._weighted(ce, dft_weights(ce), torch.zeros_like(ce, dtype=torch.long))
        assert self.round is not None  # widened() comes first
        places = batch.places[kept]
        if self.config.objective == "proximal":
            old = torch.from_numpy(self.round.old).to(ce.device)[places]
            return proximal_loss(ce, old, self.config.proximal_clip)
        starts = torch.from_numpy(self.round.corpus.starts).to(ce.device)
        owner = torch.searchsorted(starts, places, right=True) - 1
        assert self.reference is not None
        weights = rasft_weights(
            ce,
            self.reference.losses(batch)[kept],
            owner,
            torch.from_numpy(self.round.advantage).to(ce),
            clip=self.config.ratio_clip,
            by_probability=self.config.token_weight == "dft",
        )
        return self._weighted(ce, weights, torch.from_numpy(self.round.own).to(ce.device)[owner].long())

    def _weighted(self, ce: Tensor, weights: Tensor, source: Tensor) -> Tensor:
        self.meter.add(weights, source)
        return weighted_sum(ce, weights)

    def _with_kl(self, batch: MicroBatch, kept: Tensor) -> Tensor:
        assert self.reference is not None
        logits = self.loss(*batch.inputs, logits=True)[kept]
        ce = cross_entropy(logits, batch.labels[kept], reduction="sum")
        penalty = kl_divergence(logits, self.reference.logits(batch)[kept]).sum()
        loss: Tensor = ce + self.config.kl_weight * penalty
        return loss

    # what is told

    def training_step(self, step: Step, batch_idx: int) -> None:
        """A step, and what is to be told of it; see the class extended."""
        super().training_step(step, batch_idx)
        if self.meter.count:
            self.figures |= self.meter.figures()
        if self.round is not None:
            self.figures |= self.round.facts
        if self.config.drift_prompts and self.done == self.steps:
            self.figures["drift"] = self._drift()

    def _drift(self) -> float:
        corpus = Corpus.open(self.job.held_out) if self.job.held_out.exists() else self.plan.corpus
        items = np.random.default_rng(self.seed).permutation(len(corpus))[: self.config.drift_prompts]
        plain: dict[str, Any] = {"count": 1, "temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0}
        answers = self._rollouts(corpus, items, [[self.seed, int(number)] for number in items], **plain)
        asked = [prompt_of(corpus, int(number)) for number in items]
        assert self.reference is not None
        told = {"row_tokens": self.config.max_length, "rows": self.config.micro_rows}
        return drift(self.loss, self.reference, asked, answers, device=self.device, **told)
