"""What a part must be able to do. Protocols, not base classes: a plugin imports these for typing alone."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from orca_core.records import Prompt, Query, Score, Trace

T = TypeVar("T")
R = TypeVar("R")
N = TypeVar("N", int, float)


class Sampler(Protocol):
    """Draws queries and pairs them with system messages. The same config and seed give the same prompts in the same order."""

    def sample(self) -> Iterator[Prompt]: ...


@runtime_checkable
class HasPools(Protocol):
    """A sampler that knows what it drew from."""

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        """Counts by collection, once ``sample`` has come to its end, such as ``pool``, ``tasks``, ``taken``, ``skipped``.

        Ends up in the draw's report, a row per collection and a column per count.
        """
        ...


@dataclass(frozen=True, slots=True)
class Flag:
    """What a screen has against a prompt."""

    reason: str
    """A short phrase out of few, as flags are counted by it."""
    drop: bool = True
    """Whether the prompt is left out; otherwise it is asked all the same, and reported."""
    evaluator: str = ""
    """The evaluator, and its task, whose question the prompt overlaps with."""
    task: str = ""
    evidence: str = ""
    """What they share."""


class Screen(Protocol):
    """Looks through drawn prompts before anybody is paid for answering them."""

    def screen(
        self, prompts: Iterable[Prompt], questions: Mapping[str, Iterable[Prompt]]
    ) -> Iterator[tuple[Prompt, Flag | None]]:
        """Every prompt once, in order, with what there is against it.

        Args:
            prompts: what was drawn; there may be millions, and they may be iterated over more than once.
            questions: of each evaluator of the run, by its name.
        """
        ...


class Responder(Protocol):
    """Answers prompts: a teacher, or a fitted student."""

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt, in any order, each as soon as it is there. Pulls prompts as it goes, never all at once.

        An answer that was cut off, filtered or refused is a trace with that finish reason. A prompt that got no answer after
        the responder's own retries is a dead letter: a trace with the finish reason ``error`` and its reason in ``error``.
        What would befall every prompt alike (a refused key, no money, a server that is down) raises. Closing the iterator
        stops the work.
        """
        ...


@runtime_checkable
class KeepsAnswers(Protocol):
    """A responder with a durable log of its own: what it answered once, it answers again at once and for nothing.

    The core gives it a stage's prompts in one stream, as no answer depends on what else is asked, and reads the answers
    back in order afterwards.
    """

    keeps_answers: bool


@runtime_checkable
class KeepsLog(KeepsAnswers, Protocol):
    """One whose answers are in the response log of its cache directory: several processes may answer for one another.

    Each is given prompts, a log and a share of the limits of its own; the core brings the logs together.
    """

    def pending(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        """The prompts that the log holds no answer to. Pulls prompts as it goes, never all at once."""
        ...


@runtime_checkable
class HasProvenance(Protocol):
    """A responder that works with data it brings along, of which no version of a package tells (a price list)."""

    def provenance(self) -> Mapping[str, str]:
        """What it works with by name: versions, hashes. Ends up in the run's manifest.json."""
        ...


class Selector(Protocol):
    """Chooses which traces to train on."""

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        """Every trace once, with ``None`` if it is kept or the reason why it is dropped. Order is preserved.

        Reasons are short phrases out of few, as drops are counted by them. There may be millions of traces; they may be
        iterated over more than once. The answers to one prompt (``Prompt.sample`` 0, 1, ...) follow one another.
        """
        ...


class Student(Protocol):
    """A trainable model. Tensors never leave it."""

    def fit(self, examples: Iterable[Trace], *, epochs: int, init: Path | None, out: Path) -> None:
        """Train on <system, query, response> with loss on the response alone.

        There may be millions of examples; they may be iterated over more than once.

        Leaves a Hugging Face model directory in ``out/checkpoint`` and may leave ``out/metrics.jsonl`` (one JSON object a
        line: ``step``, ``tokens``, ``loss``, ``learning_rate``, ..., or of a measurement on held-out questions ``step``,
        ``tokens``, ``validation_loss``, ``perplexity``), which the report plots. ``init`` is the checkpoint to start from
        (the previous curriculum phase), None for the model's own start. ``epochs=0`` writes the model as it is
        before any training, which is how a base model is scored. ``out`` may hold a half-done earlier attempt at the very
        same fit, to be resumed; the checkpoint must not depend on interruptions.
        """
        ...

    def load(self, checkpoint: Path) -> Responder:
        """The fitted model as a responder, with the chat template and tokenizer that are stored in the checkpoint."""
        ...


class Evaluator(Protocol):
    """Asks and scores; never sees the model."""

    def prompts(self) -> Iterator[Prompt]:
        """What to ask. Those that demand the same ``decoding`` follow one another, so that they are answered together."""
        ...

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        """Scores per task. The core adds the macro average over an evaluator's tasks."""
        ...


class Verifier(Protocol):
    """Tells whether an answer reaches its query's gold target."""

    def verify(self, query: Query, text: str) -> bool | None:
        """The verdict on an answer; None if the query has no target to hold it against."""
        ...


class Executor(Protocol):
    """Where the shards of a stage are worked on: in this process, or by workers on other machines."""

    workers: int
    """How many shards are worked on at once; what is limited (requests, tokens, money) is divided by it."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Generator[R, None, None]:
        """``function(task)`` of every task, in the order of completion.

        Both are picklable. A task whose worker died runs again, perhaps elsewhere, so it carries on from what it left
        behind. An error of a task is raised; that, and closing the generator, ends the others after a short time of grace.
        """
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What answering some prompts will take, for ``orca plan``. None means: not known beforehand."""

    prompts: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    batch_usd: float | None = None
    """The same through the provider's batch API, where it has one."""
    hours: float | None = None
    """Wall time under the limits of the endpoints."""
    notes: tuple[str, ...] = ()
    """What the user should know before paying: a model past its end, a length that is a guess."""

    @classmethod
    def total(cls, estimates: Sequence[Estimate]) -> Estimate:
        """One after the other: all figures add up, times too. What one of them does not know, the sum does not; no notes."""

        def add(values: Iterable[N | None]) -> N | None:
            known = list(values)
            return None if None in known else sum(known)  # type: ignore[arg-type]

        return cls(
            prompts=sum(estimate.prompts for estimate in estimates),
            prompt_tokens=add(estimate.prompt_tokens for estimate in estimates),
            completion_tokens=add(estimate.completion_tokens for estimate in estimates),
            cost_usd=add(estimate.cost_usd for estimate in estimates),
            batch_usd=add(estimate.batch_usd if estimate.cost_usd else estimate.cost_usd for estimate in estimates),
            hours=add(estimate.hours for estimate in estimates),
        )


@runtime_checkable
class Estimates(Protocol):
    """A responder that can tell its cost beforehand."""

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """Tokens, money and time for answering these prompts, without sending anything. There may be millions: stream them."""
        ...


@runtime_checkable
class AsksToScore(Protocol):
    """An evaluator whose ``score`` asks somebody: a judge, say. It is planned and accounted for as other asking is."""

    def estimate_scoring(self, answers: Iterable[Prompt | Trace]) -> Estimate:
        """What scoring these answers will take, without asking anybody; a prompt stands for one that is not there yet."""
        ...

    def asked(self) -> Mapping[str, float]:
        """What was asked, once ``score`` has come to its end: ``prompt_tokens``, ``completion_tokens``, ``cost_usd``.

        Facts of the stage and part of the run's totals.
        """
        ...


@dataclass(frozen=True, slots=True)
class FitCost:
    """What a fit will take on one kind of machine."""

    machine: str
    memory_gb: float
    """Of each device, at the peak (1e9 bytes)."""
    room_gb: float
    """What each device has."""
    hours: float
    parts: Mapping[str, float]
    """What the memory goes into, in GB by name."""


@dataclass(frozen=True, slots=True)
class FitEstimate:
    """What a fit will take on the machines that are asked about."""

    costs: Sequence[FitCost]
    notes: tuple[str, ...] = ()
    """How it was reckoned, and what is a guess."""


@runtime_checkable
class EstimatesFit(Protocol):
    """A student that can tell beforehand what fitting it takes."""

    def estimate_fit(self, examples: int, tokens: int | None, epochs: int) -> FitEstimate:
        """Memory and time of a fit on at most so many examples of ``tokens`` tokens in all (None: not known yet)."""
        ...
