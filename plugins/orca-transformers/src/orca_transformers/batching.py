"""Which answers are made together: jobs of like length, as many as a budget of tokens allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A tokenized prompt, small enough to be sent to a worker process."""

    number: int
    """Tells which answer belongs to which job."""
    ids: Sequence[int]
    room: int = 0
    """Longest answer in tokens; 0: choices are rated instead."""
    draw: int = 0
    """Seed of the answer's own random numbers."""
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    choices: Sequence[Sequence[int]] = ()
    """Token ids of the continuations to rate."""
    longest: int = 0
    """Tokens that a choice and what it is behind may have: as much of the prompt's end as that; 0: the whole prompt."""

    @property
    def together(self) -> tuple[object, ...]:
        """What jobs of a batch have in common."""
        return self.room, self.temperature, self.stop

    @property
    def rows(self) -> int:
        """Rows that it takes in a batch."""
        return len(self.choices) if self.room == 0 else 1

    @property
    def columns(self) -> int:
        """Tokens of its longest row, as far as it may grow."""
        return (
            max(len(ids) + len(choice) for ids, choice in self.rated) if self.room == 0 else len(self.ids) + self.room
        )

    @property
    def rated(self) -> list[tuple[Sequence[int], Sequence[int]]]:
        """Each choice with what it is behind."""
        if not self.longest:
            return [(self.ids, choice) for choice in self.choices]
        return [(self.ids[-max(1, self.longest - len(choice)) :], choice) for choice in self.choices]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a job."""

    number: int
    text: str = ""
    finish_reason: str = "stop"
    tokens: int = 0
    """Tokens of the answer, end token included."""
    logprobs: tuple[float, ...] | None = None
    """Natural-log likelihood of each choice."""
    greedy: tuple[bool, ...] | None = None
    """Whether each choice is what greedy decoding would write."""
    error: str = ""


def size(batch: Sequence[Job]) -> int:
    """Tokens of a batch in memory, padding included."""
    return sum(job.rows for job in batch) * max(job.columns for job in batch)


def cut(jobs: Sequence[Job], budget: int) -> Iterator[list[Job]]:
    """Batches of at most ``budget`` tokens, longest first, so that what does not fit into memory shows at once.

    A job that is larger by itself is a batch of its own. Jobs of different decoding are never together, nor of different room: a
    row near the end of the context would be cut off, or others would run on beyond it, depending on who shares the batch.
    """
    batch: list[Job] = []
    rows = 0
    for job in sorted(jobs, key=lambda job: (*job.together, job.columns), reverse=True):
        if batch and (job.together != batch[0].together or (rows + job.rows) * batch[0].columns > budget):
            yield batch
            batch, rows = [], 0
        batch.append(job)
        rows += job.rows
    if batch:
        yield batch
