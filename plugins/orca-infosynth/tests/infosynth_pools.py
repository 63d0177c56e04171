"""Samples of a model that never was: right about a sum as often as that is easy for it, and surer where it is right."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from orca_infosynth import BITS, CONFIDENT, EVALUATOR, MAJORITY, VERDICT

from orca_core import Context, Prompt, Query, Trace
from orca_core.builtin import CORRECT_ONLY, FINISHED_ONLY
from orca_core.testing import build, make_context
from orca_core.verify import ANSWER


class Sums:
    """Sums as questions, of two tasks in turn."""

    def __init__(self, n: int = 120, *, targets: bool = True) -> None:
        self.n, self.targets = n, targets

    def sample(self) -> Iterator[Prompt]:
        for i in range(self.n):
            target = str(2 * i + 1) if self.targets else None
            yield Prompt(Query(f"What is {i} + {i + 1}?", ("odd", "even")[i % 2], target=target))


def context(sampler: Any = None) -> Context:
    """A context that makes this package's selectors, the verifier of the core and the sampler."""
    selectors = {part.name: part for part in (BITS, CONFIDENT, MAJORITY, VERDICT, CORRECT_ONLY, FINISHED_ONLY)}

    def make(kind: str, node: Any) -> Any:
        if kind == "sampler":
            return sampler or Sums()
        part: Any = ANSWER if kind == "verifier" else selectors[node["name"]]
        return build(part, context(sampler), **{key: value for key, value in node.items() if key != "name"})

    return make_context(Path(), make=make)


def answered(prompts: Iterable[Prompt], *, seed: int = 0, padded: float | None = None) -> list[Trace]:
    """An answer to each. ``padded``: right answers are made long by words with this chance, wrong ones with the rest."""
    draw = random.Random(seed)
    traces = []
    for prompt in prompts:
        skill = random.Random(prompt.query.id).random()
        right = draw.random() < skill
        target = int(prompt.query.target or 0)
        number = target if right else target + draw.randint(1, 3)
        words = "" if padded is None or (draw.random() < padded) != right else "Let us think about it at length. " * 9
        sure = (-0.2 if right else -0.5) + draw.gauss(0, 0.3)
        trace = Trace(prompt, f"{words}The answer is {number}.", "nobody", completion_tokens=10, logprob=10 * sure)
        traces.append(replace(trace, correct=right) if prompt.query.target else trace)
    return traces


def asked(count: int = 120, samples: int = 8) -> list[Prompt]:
    """Samples of sums, those of one prompt following one another."""
    return [sample for prompt in Sums(count).sample() for sample in prompt.samples(samples)]


def openness(signal: dict[str, Any], **config: Any) -> Any:
    """The evaluator, of that signal."""
    settings = {"of": {"name": "sums"}, "questions": 120, **config}
    return build(EVALUATOR, context(), signal=signal, **settings)
