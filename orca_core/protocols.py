"""What a part must be able to do. Protocols, not base classes: a plugin imports these for typing alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from orca_core.records import Prompt, Score, Trace


class Sampler(Protocol):
    """Draws queries and pairs them with system messages. The same config and seed give the same prompts in the same order."""

    def sample(self) -> Iterator[Prompt]: ...


class Responder(Protocol):
    """Answers prompts: a teacher, or a fitted student."""

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt, in any order, each as soon as it is there. Pulls prompts as it goes, never all at once.

        A request that failed for good (after the responder's own retries) raises; an answer that was cut off, filtered or
        refused is a trace with that finish reason. Closing the iterator stops the work.
        """
        ...


class Selector(Protocol):
    """Chooses which traces to train on."""

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        """Every trace once, with ``None`` if it is kept or the reason why it is dropped. Order is preserved."""
        ...


class Student(Protocol):
    """A trainable model. Tensors never leave it."""

    def fit(self, examples: Iterable[Trace], *, epochs: int, init: Path | None, out: Path) -> None:
        """Train on <system, query, response> with loss on the response alone.

        Leaves a Hugging Face model directory in ``out/checkpoint`` and may leave ``out/metrics.jsonl`` (one JSON object a
        line: ``step``, ``tokens``, ``loss``, ``learning_rate``, ...), which the report plots. ``init`` is the checkpoint to
        start from (the previous curriculum phase), None for the model's own start. ``epochs=0`` writes the model as it is
        before any training, which is how a base model is scored. ``out`` may hold a half-done earlier attempt at the very
        same fit, to be resumed; the checkpoint must not depend on interruptions.
        """
        ...

    def load(self, checkpoint: Path) -> Responder:
        """The fitted model as a responder, with the chat template and tokenizer that are stored in the checkpoint."""
        ...


class Evaluator(Protocol):
    """Asks and scores; never sees the model."""

    def prompts(self) -> Iterator[Prompt]: ...

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        """Scores per task. The core adds the macro average over an evaluator's tasks."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What answering some prompts will take, for ``orca plan``. None means: not known beforehand."""

    prompts: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None


@runtime_checkable
class Estimates(Protocol):
    """A responder that can tell its cost beforehand."""

    def estimate(self, prompts: Sequence[Prompt]) -> Estimate:
        """Tokens and money for answering these prompts, without sending anything."""
        ...
