"""Judges whose biases are known, and answers that say what they are worth to them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orca_judge import EVALUATOR

from orca_core import Evaluator, Prompt, Query, Responder, Score, Trace
from orca_core.testing import build, make_context

SHOWN = re.compile(r"\[The Start of (?:the )?Assistant.*?\]\n(.*?)\n+\[The End of", re.DOTALL)
Say = Callable[[Sequence[str], random.Random], str]


class Judge:
    """Says ``say(answers as shown, random)``; notes what it was asked."""

    def __init__(self, say: Say, seed: int = 0) -> None:
        self.say, self.random = say, random.Random(seed)
        self.asked: list[Prompt] = []

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            self.asked.append(prompt)
            reply = self.say(SHOWN.findall(prompt.query.text), self.random)
            yield Trace(prompt, reply, "judge", prompt_tokens=10, completion_tokens=2, cost_usd=0.5)


class Reference:
    """The answer ``text(query)`` to everything."""

    def __init__(self, text: Callable[[Query], str] = lambda query: "The reference.") -> None:
        self.text = text

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        return (Trace(prompt, self.text(prompt.query), "reference") for prompt in prompts)


def verdicts(bias: float = 0.0, ties: float = 0.0, unreadable: float = 0.0) -> Say:
    """Prefers the candidate, whose answer ends in its chance of winning, and adds ``bias`` to the chance of what comes first."""

    def say(answers: Sequence[str], rng: random.Random) -> str:
        if rng.random() < unreadable:
            return "I would rather not say."
        if rng.random() < ties:
            return "They are alike. [[C]]"
        first = "chance" in answers[0]
        chance = float(answers[0 if first else 1].split()[-1])
        wins = rng.random() < chance + (bias if first else -bias)
        return f"One is better. [[{'A' if wins == first else 'B'}]]"

    return say


def points(bias: float, noise: float = 0.0) -> Say:
    """Gives each answer the points that it ends in, give or take, and ``bias`` more to what comes first."""

    def say(answers: Sequence[str], rng: random.Random) -> str:
        worth = [float(text.split()[-1]) + extra for text, extra in zip(answers, (bias, 0.0), strict=True)]
        first, second = (min(10.0, max(0.0, value + rng.gauss(0, noise))) for value in worth)
        return f"{first:.2f} {second:.2f}\nThat is what they are worth."

    return say


def evaluator(
    judges: Responder | Mapping[str, Responder], reference: Responder | None = None, **config: Any
) -> Evaluator:
    """The evaluator with these judges, as the core builds it."""
    known: dict[str, Any] = dict(judges) if isinstance(judges, Mapping) else {"judge": judges}
    nodes: Any = {name: {"name": name} for name in known} if isinstance(judges, Mapping) else {"name": "judge"}
    if config.get("mode") != "single":
        config["reference"] = {"name": "reference"}
        known["reference"] = reference or Reference()
    context = make_context(Path(), make=lambda kind, node: known[node["name"]])
    return build(EVALUATOR, context, **{"judge": nodes, "path": Path("vicuna.jsonl"), **config})


def answered(texts: Iterable[str], task: str = "vicuna") -> list[Trace]:
    """A subject's answers to made-up questions."""
    return [Trace(Prompt(Query(f"Question {i}?", task)), text, "subject") for i, text in enumerate(texts)]


def scored(evaluator: Evaluator, traces: Iterable[Trace]) -> dict[str, Score]:
    """The scores of a single task by metric."""
    found = list(evaluator.score(traces))
    assert len({score.metric for score in found}) == len(found)
    return {score.metric: score for score in found}
