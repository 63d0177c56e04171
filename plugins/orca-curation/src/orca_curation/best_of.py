"""The best of the answers that a teacher gave to one prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, Literal

from pydantic import Field

from orca_core import Component, Config, Selector, Trace
from orca_core.records import DEAD, FINISHED
from orca_core.verify import NUMBER, normalised, stated, stated_number, stated_option

REASON: Final = "not the best of its prompt"
Score = Callable[[Trace], float]
"""Of an answer among the others to its prompt: the lower the better."""


class BestOfConfig(Config):
    """Keeps the best of the answers to each prompt: right ones, finished ones, then whichever are preferred."""

    keep: int = Field(1, ge=1, description="answers kept of each prompt")
    prefer: Literal["majority", "shortest", "longest", "first"] = Field(
        "majority",
        description="among equally good ones: those that state what most state (self-consistency), or by characters",
    )


class BestOfSelector:
    """Ranks answers by verdict, by whether they ended by themselves, by preference, and by their number.

    Where one answer to a prompt is right, no wrong one is kept. Where none is right, the best of the wrong ones is kept all the
    same: whether to train on it is the selector ``correct``'s to say.
    """

    def __init__(self, config: BestOfConfig) -> None:
        self.config = config

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for _, group in groupby(traces, _prompt):
            answers = list(group)
            best = self._best(answers)
            for index, trace in enumerate(answers):
                yield trace, None if index in best else REASON

    def _best(self, answers: Sequence[Trace]) -> set[int]:
        """The places of those that are kept."""
        if len(answers) == 1:
            return {0}
        score = PREFERENCES[self.config.prefer](answers)
        places = [place for place, trace in enumerate(answers) if trace.correct] or list(range(len(answers)))
        ranked = sorted(places, key=lambda place: (*_flaws(answers[place]), score(answers[place]), place))
        return set(ranked[: self.config.keep])


def _prompt(trace: Trace) -> Hashable:
    """What the samples of one prompt share."""
    prompt = trace.prompt
    return prompt.query.id, prompt.system, prompt.choices


def _flaws(trace: Trace) -> tuple[bool, bool]:
    return trace.finish_reason == DEAD, trace.finish_reason != FINISHED


def _majority(answers: Sequence[Trace]) -> Score:
    """Answers by the votes for what they state; an answer cut off has no vote."""
    votes = Counter(_comes_to(trace) for trace in answers if trace.finish_reason == FINISHED)
    del votes[None]
    return lambda trace: -votes[_comes_to(trace)]


def _comes_to(trace: Trace) -> Hashable:
    """What an answer comes to, the same for all that come to the same; None if it states nothing.

    The option of a multiple-choice question; else the number or the words that are stated, or that stand in the last line.
    """
    if choices := trace.prompt.query.choices:
        return stated_option(trace.text, choices)
    lines = trace.text.split("\n")
    phrase = stated(trace.text) or next((line for line in reversed(lines) if line.strip()), "")
    if NUMBER.search(phrase):
        return stated_number(trace.text)
    return normalised(phrase) or None


PREFERENCES: Final[dict[str, Callable[[Sequence[Trace]], Score]]] = {
    "majority": _majority,
    "shortest": lambda answers: lambda trace: len(trace.text),
    "longest": lambda answers: lambda trace: -len(trace.text),
    "first": lambda answers: lambda trace: 0,
}

BEST_OF: Final = Component[BestOfConfig, Selector](
    "best-of", BestOfConfig, lambda config, context: BestOfSelector(config)
)
