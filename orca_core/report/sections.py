"""The sections of ``report.json`` on data: what was drawn, how it was answered, and what became of it on the way to training.

Texts are cut to :data:`TEXT_LIMIT` characters: a report is looked at, the store keeps the whole.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

TEXT_LIMIT: Final = 4_000
OTHERS: Final = "(others)"
"""Stands for all values of a column beyond the most frequent ones."""
PERCENTILES: Final = (5, 25, 50, 75, 95)


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Lengths(_Section):
    """How long the texts of a group are."""

    group: str
    """A collection, or a system message; "" for all."""
    n: int
    mean: float
    percentiles: list[int]
    """At each of :data:`PERCENTILES` the least length that so many of the texts do not exceed."""
    histogram: list[int] = []
    """Number of texts in each bin of :class:`LengthTable`'s edges."""


class LengthTable(_Section):
    """Lengths in one unit, of all texts and by group."""

    unit: str
    edges: list[int]
    """Bin i holds lengths from ``edges[i]`` up to, but not including, ``edges[i + 1]``; the last bin has no end."""
    all: Lengths
    collections: list[Lengths] = []
    messages: list[Lengths] = []


class CollectionRow(_Section):
    """The part of a draw that comes from one collection."""

    collection: str
    n: int
    tasks: int
    multiple_choice: int = 0


class MessageRow(_Section):
    """A system message, and with how many prompts of each collection it goes."""

    message: str
    name: str = ""
    """Its name in the sampler's config, if it has one."""
    n: int
    collections: dict[str, int] = {}


class TaskRow(_Section):
    """A task with the number of its prompts."""

    collection: str
    task: str
    n: int


class TaskTable(_Section):
    """How evenly the prompts are spread over tasks."""

    count: int
    edges: list[int]
    histogram: dict[str, list[int]]
    """By collection the number of tasks with as many prompts as each bin says (bins as in :class:`LengthTable`)."""
    largest: list[TaskRow] = []
    smallest: list[TaskRow] = []


class Example(_Section):
    """A prompt, perhaps with its answer, to look at."""

    collection: str = ""
    task: str = ""
    system: str = ""
    query: str = ""
    target: str | None = None
    response: str | None = None


class Draw(_Section):
    """Prompts of one or more phases (of phases that share them): where they come from and what they look like."""

    title: str
    key: str = ""
    """Of the stage that drew them."""
    n: int
    collections: list[CollectionRow] = []
    messages: list[MessageRow] = []
    tasks: TaskTable | None = None
    words: LengthTable | None = None
    pools: dict[str, dict[str, int]] = {}
    """What the sampler drew from: counts by collection, as the sampler tells them."""
    examples: list[Example] = []


class Verdicts(_Section):
    """Answers of a collection that could be held against a gold target, and how many reach it."""

    collection: str
    judged: int
    correct: int


class Answers(_Section):
    """The answers of one phase's teacher: how long, how good, and how they ended."""

    title: str
    key: str = ""
    n: int
    models: dict[str, int] = {}
    finish_reasons: dict[str, int] = {}
    verdicts: list[Verdicts] = []
    words: LengthTable | None = None
    tokens: LengthTable | None = None
    """Of the answers whose number of tokens is known."""


class Reason(_Section):
    """Why prompts or answers were flagged in a step."""

    reason: str
    count: int
    dropped: bool = True
    collections: dict[str, int] = {}


class Step(_Section):
    """A step on the way from the draw to training."""

    name: str
    before: int
    after: int
    reasons: list[Reason] = []


class HeldBack(Example):
    """An example of what a step flagged."""

    by: str
    reason: str
    dropped: bool = True
    evidence: str = ""


class Overlap(_Section):
    """Prompts of a task that overlap with questions of an evaluator's task, or are known to be made of a benchmark."""

    by: str
    collection: str = ""
    task: str
    evaluator: str = ""
    """"" where the run does not evaluate on the benchmark."""
    evaluator_task: str = ""
    reasons: dict[str, int] = {}
    dropped: int = 0

    @property
    def count(self) -> int:
        return sum(self.reasons.values())


class Funnel(_Section):
    """What became of the prompts of a phase."""

    title: str
    steps: list[Step] = []
    held_back: list[HeldBack] = []
    overlaps: list[Overlap] = []
    """The most frequent ones."""
    overlapping: int = 0
    """Pairs of tasks that overlap, shown or not."""
