"""The student as it is now, going on from prefixes."""

from __future__ import annotations

from collections.abc import Sequence

from orca_lightning.answering.generate import Room
from orca_lightning.methods import Rollout, Sampling, Segmenter, rollouts
from orca_lightning.network.model import Model
from orca_lightning.text.tokenizer import Tokenizer

from orca_vcrd.config import VcrdConfig
from orca_vcrd.places import Case, Place, first_step

Seeds = Sequence[Sequence[int]]


class Policy:
    """Takes steps and finishes answers, many at a time.

    Args:
        model: the one that is trained.
        tokenizer: its.
        config: says how to draw.
        segmenter: knows where a step ends.
    """

    def __init__(self, model: Model, tokenizer: Tokenizer, config: VcrdConfig, segmenter: Segmenter) -> None:
        self.model, self.tokenizer, self.config, self.segmenter = model, tokenizer, config, segmenter
        self.positions = min(config.max_length, int(model.config.max_position_embeddings))

    def places(self, cases: Sequence[Case], seeds: Seeds) -> list[Place]:
        """The teacher's steps, each with the student's own step behind the same prefix."""
        settings = Sampling(1, self.config.step_tokens, self.positions, self.config.proposal_temperature)
        found = self._rollouts([case.prefix for case in cases], seeds, settings, in_steps=True)
        return [Place(case, self._own(case, written)) for case, written in zip(cases, found, strict=True)]

    def finished(self, cases: Sequence[Case], seeds: Seeds, *, count: int, temperature: float) -> list[list[str]]:
        """Whole answers that begin with what comes before a step and the step itself; none where there is no room for any."""
        settings = Sampling(count, self.config.generation.max_new_tokens, self.positions, temperature)
        found = self._rollouts([(*case.prefix, *case.step.tokens) for case in cases], seeds, settings, in_steps=False)
        return [
            [case.before + self.segmenter.text([*case.step.tokens, *one.tokens]) for one in written]
            for case, written in zip(cases, found, strict=True)
        ]

    def _own(self, case: Case, written: Sequence[Rollout]) -> Case | None:
        if not written:
            return None
        return case._replace(step=first_step(written[0].tokens, written[0].ended, self.segmenter))

    def _rollouts(
        self, prefixes: Sequence[Sequence[int]], seeds: Seeds, settings: Sampling, *, in_steps: bool
    ) -> list[list[Rollout]]:
        room = Room(self.config.generation.batch_size, self.config.generation.batch_tokens)
        stop = self.segmenter.complete if in_steps else None
        return rollouts(self.model, self.tokenizer, prefixes, seeds, settings, room=room, stop=stop)
