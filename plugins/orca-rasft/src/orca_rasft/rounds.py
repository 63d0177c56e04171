"""A round: the policy's own answers to the problems of the coming steps, verified, and the weights that follow.

A round is a function of the weights at its first step, which a resumed training no longer has; so it is on the disk before
anything is trained on it, and read from there afterwards.
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
from orca_lightning.methods.sequences import Example, Ints, corpus_of, example, prompt_of
from orca_lightning.text.corpus import Corpus

from orca_core.records import FINISHED, Trace
from orca_core.verify import Judge
from orca_rasft.advantages import Tally, advantages, distinct, jaccard, trigrams
from orca_rasft.config import RasftConfig

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Round:
    """What some steps train on: the expert's answers, then the policy's own right ones."""

    corpus: Corpus
    problem: Ints
    """``[examples]``: whose answer each is, by its number in the corpus of the training."""
    own: npt.NDArray[np.bool_]
    """``[examples]``: whether it is the policy's own."""
    advantage: Floats
    """``[examples]``."""
    old: Floats
    """``[tokens]``: cross-entropy of the targets at the beginning of the round; empty where nobody needs it."""
    facts: Mapping[str, float]
    """For the metrics."""

    def of_problems(self, problems: Sequence[int]) -> Ints:
        """The examples of problems, of each as often as it is named."""
        by_problem: dict[int, list[int]] = {}
        for number, problem in enumerate(self.problem.tolist()):
            by_problem.setdefault(problem, []).append(number)
        return np.array([number for problem in problems for number in by_problem[problem]], dtype=np.int64)

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
                problem=self.problem,
                own=self.own,
                advantage=self.advantage,
                old=self.old,
                facts=np.array(json.dumps(dict(self.facts))),
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
            facts = json.loads(str(saved["facts"]))
            return cls(
                corpus_of([(ids.tolist(), marks.tolist()) for ids, marks in parts]),
                saved["problem"],
                saved["own"],
                saved["advantage"],
                saved["old"],
                facts,
            )


class Rounds:
    """Makes rounds, and puts them on the disk.

    Args:
        path: of the directory.
        config: of the student.
        corpus: of the training.
        examples: by their number before too long ones were left out (``corpus.sources``).
        judge: gives verdicts.
    """

    def __init__(
        self, path: Path, config: RasftConfig, corpus: Corpus, examples: Sequence[Trace], judge: Judge
    ) -> None:
        self.path, self.config, self.corpus, self.examples, self.judge = path, config, corpus, examples, judge

    def at(self, first: int, make: Callable[[], Round]) -> Round:
        """The round that begins at a step, made if it is not there."""
        path = self.path / f"{first:08d}.npz"
        if not path.exists():
            make().save(path)
        return Round.read(path)

    def with_answers(self, problems: Ints, answers: Mapping[int, Sequence[Rollout]]) -> Round:
        """A round of problems, some of which were answered.

        Args:
            problems: all of the round, ``[problems]``.
            answers: those that were rolled out, with the policy's answers.
        """
        experts = [example(self.corpus, number) for number in problems.tolist()]
        weights, own, owners, own_weights = np.ones(len(problems)), list[Example](), list[int](), list[float]()
        right = distinct_answers = 0
        for place, problem in enumerate(problems.tolist()):
            if problem not in answers:
                continue
            tally, kept = self._judged(problem, answers[problem])
            weights[place], weight = advantages(tally, self.config.mix, self.config.all_correct)
            right, distinct_answers = right + tally.right, distinct_answers + tally.answers
            if weight:
                prompt = prompt_of(self.corpus, problem)
                marks = [False] * len(prompt)
                own += [([*prompt, *one.tokens], [*marks, *[True] * len(one.tokens)]) for one in kept]
                owners += [problem] * len(kept)
                own_weights += [weight] * len(kept)
        facts = {
            "rolled_out": float(len(answers)),
            "own_answers": float(len(own)),
            "pass_rate": right / max(1, distinct_answers),
        }
        return Round(
            corpus_of([*experts, *own]),
            np.concatenate([problems, np.array(owners, dtype=np.int64)]),
            np.arange(len(experts) + len(own)) >= len(experts),
            np.concatenate([weights, np.array(own_weights)]),
            np.empty(0, dtype=np.float32),
            facts,
        )

    def _judged(self, problem: int, answers: Sequence[Rollout]) -> tuple[Tally, list[Rollout]]:
        """What becomes of a problem's answers, and the right ones: no near-duplicates, then none that is malformed."""
        settings, asked = self.config.rollouts, self.examples[int(self.corpus.sources[problem])]
        unique = [answers[i] for i in distinct([one.text for one in answers], settings.alike)]
        formed = [one for one in unique if one.ended and one.text.strip()]
        verdicts = [self.judge(Trace(asked.prompt, one.text, "own", FINISHED)).correct for one in formed]
        right = [one for one, verdict in zip(formed, verdicts, strict=True) if verdict]
        wrong = [
            one
            for one, verdict in zip(formed, verdicts, strict=True)
            if verdict is False
            and not any(jaccard(trigrams(one.text), trigrams(r.text)) >= settings.alike for r in right)
        ]
        return Tally(len(unique), len(right), min(len(wrong), settings.negatives)), right
