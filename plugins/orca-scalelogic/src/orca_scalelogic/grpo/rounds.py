"""A round: the policy's own answers to the questions of some coming steps, rewarded, and the advantages that follow.

A round is a function of the weights at its first step, which a resumed training may no longer have; so it is on the disk
before anything is trained on it, and read from there afterwards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from orca_lightning.methods import Rollout
from orca_lightning.methods.sequences import Example, Ints, corpus_of
from orca_lightning.text.corpus import Corpus

from orca_core.errors import UserError
from orca_scalelogic.grpo.objective import Floats, group_advantages


@dataclass(frozen=True)
class Group:
    """The answers to a question."""

    prompt: Sequence[int]
    """Token ids."""
    answers: Sequence[Rollout]
    rewards: Sequence[float]

    @property
    def equal(self) -> bool:
        """Whether there is nothing to learn: no answer is better than another."""
        return len(set(self.rewards)) < 2

    @property
    def first(self) -> Group:
        """Its first answer alone."""
        return Group(self.prompt, self.answers[:1], self.rewards[:1])

    @property
    def advantages(self) -> list[float]:
        """Of each answer; 0 where there is nothing to compare it with."""
        return [0.0] * len(self.rewards) if self.equal else group_advantages(np.array([self.rewards]))[0].tolist()


@dataclass(frozen=True)
class Round:
    """What some steps train on."""

    corpus: Corpus
    """Questions with the policy's own answers, the tokens of the answers being targets."""
    step: Ints
    """``[examples]``: the step that trains on it, from 0 within the round."""
    advantage: Floats
    """``[examples]``."""
    old: npt.NDArray[np.float32]
    """``[tokens]``: log-probability of each target when it was drawn."""
    facts: Sequence[Mapping[str, float]]
    """Of each step, for the metrics: ``reward``, ``dropped``, ``response_length``, ``cut_off``."""

    @property
    def accuracy(self) -> float:
        """The mean reward."""
        return float(np.mean([facts["reward"] for facts in self.facts]))

    @classmethod
    def of(cls, steps: Sequence[Sequence[Group]]) -> Round:
        """The round of each step's groups. Groups of equal rewards are dropped, counted, and not drawn anew.

        A step of nothing but these keeps one answer, whose advantage is 0: its gradient is 0, but the optimizer's own momentum
        goes on.

        Raises:
            UserError: no question of a step leaves room for an answer.
        """
        examples, numbers, advantages, old = list[Example](), list[int](), list[float](), list[float]()
        for number, groups in enumerate(steps):
            answered = [group for group in groups if group.answers]
            if not answered:
                raise UserError("no question leaves room for an answer: raise student.max_length, or ask shorter ones")
            kept = [group for group in answered if not group.equal] or [answered[0].first]
            for group in kept:
                for answer, advantage in zip(group.answers, group.advantages, strict=True):
                    prompt, tokens = group.prompt, answer.tokens
                    examples.append(([*prompt, *tokens], [*[False] * len(prompt), *[True] * len(tokens)]))
                    numbers.append(number)
                    advantages.append(advantage)
                    old += [*[0.0] * len(prompt), *answer.logprobs]
        return cls(
            corpus_of(examples),
            np.array(numbers, dtype=np.int64),
            np.array(advantages),
            np.array(old, dtype=np.float32),
            [_facts(groups) for groups in steps],
        )

    def save(self, path: Path) -> None:
        """Write it, under its name when it is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        with temporary.open("wb") as file:
            np.savez(
                file,
                ids=self.corpus.ids,
                supervised=self.corpus.supervised,
                lengths=self.corpus.lengths,
                step=self.step,
                advantage=self.advantage,
                old=self.old,
                facts=np.array(json.dumps([dict(facts) for facts in self.facts])),
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> Round:
        """The round of a file."""
        with np.load(path) as saved:
            ends = np.cumsum(saved["lengths"])[:-1]
            parts = zip(np.split(saved["ids"], ends), np.split(saved["supervised"], ends), strict=True)
            corpus = corpus_of([(ids.tolist(), marks.tolist()) for ids, marks in parts])
            return cls(corpus, saved["step"], saved["advantage"], saved["old"], json.loads(str(saved["facts"])))


def _facts(groups: Sequence[Group]) -> dict[str, float]:
    answers = [answer for group in groups for answer in group.answers]
    return {
        "reward": float(np.mean([reward for group in groups for reward in group.rewards])),
        "dropped": float(np.mean([group.equal for group in groups])),
        "response_length": float(np.mean([len(answer.tokens) for answer in answers])),
        "cut_off": float(np.mean([not answer.ended for answer in answers])),
    }


class Rounds:
    """The rounds of a training on the disk.

    Args:
        path: of their directory.
        length: steps of a round.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path, self.length = path, length

    def at(self, first: int, make: Callable[[], Round]) -> Round:
        """The round that begins at a step, made if it is not there."""
        path = self.path / f"{first:08d}.npz"
        if not path.exists():
            make().save(path)
        return Round.read(path)

    def forget(self, saved: int) -> None:
        """Delete the rounds that were over at a saved step, from which a training that is cut goes on."""
        for path in self.path.glob("*.npz"):
            if int(path.stem) + self.length <= saved:
                path.unlink()
