"""The evaluator ``system-sweep``: another evaluator's questions under several system messages, one of which is chosen fairly.

A message chosen by its score, and reported with that same score, looks better than it is: of equals one is always ahead by
luck. The paper's best of three per task (Table 9, from which the abstract's 4 points come) is chosen so, on the test set. Here
the questions are split by a hash of their cluster: messages are chosen on the held-out part, task by task as the paper does,
and scored on the test part alone. The best on the test part is shown beside, with how far it stands above the chosen one.

It is a component of the core as it knows nothing of questions and answers but what the evaluator that it wraps knows, and
every plugin's evaluators can be wrapped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from orca_core.component import Component, Config, Context, part
from orca_core.errors import OrcaError, UserError
from orca_core.protocols import Evaluator
from orca_core.records import Prompt, Query, Score, Trace, content_id
from orca_core.stats import cluster_bootstrap

CHOSEN: Final = "chosen on held-out"
BEST: Final = "best on test, optimistic"
OPTIMISM: Final = "optimism of the best"

Name = Annotated[str, Field(pattern=r"^[\w.+-]+$")]
Key = tuple[str, str]
"""(task, metric)."""


class SystemSweepConfig(Config):
    """Another evaluator under several system messages, the message chosen on held-out questions (the paper's Table 9)."""

    of: Any = part("evaluator", description="the evaluator whose questions are asked, and who scores the answers")
    messages: dict[Name, str] = Field(
        description="system messages by name; they take the place of the evaluator's own", min_length=2
    )
    held_out: float = Field(0.5, gt=0, lt=1, description="share of the questions that a message is chosen on")

    @field_validator("messages")
    @classmethod
    def _distinct(cls, messages: dict[str, str]) -> dict[str, str]:
        first: dict[str, str] = {}
        for name, text in messages.items():
            if (other := first.setdefault(text, name)) != name:
                raise ValueError(f"'{other}' and '{name}' are the same message; leave one of them out")
        return messages


class SystemSweep:
    """Asks every question with every message; a score per message, of the chosen one, and of the best on the test part.

    Higher scores are taken for better; among equals the message named first is chosen.
    """

    def __init__(self, config: SystemSweepConfig, of: Evaluator) -> None:
        self._config, self._of = config, of

    def prompts(self) -> Iterator[Prompt]:
        """Every prompt of the other evaluator with every message.

        Raises:
            UserError: a prompt is raw text, which has no system message; or a task has too few questions for both parts, which is
                told after the last prompt, before any is asked.
        """
        parts: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        for prompt in self._of.prompts():
            if prompt.decoding.get("raw"):
                raise UserError(
                    f"system-sweep: '{prompt.query.task}' asks with raw text, which has no system message; sweep an evaluator "
                    "that asks in a chat"
                )
            parts[prompt.query.task][self._held_out(prompt.query)].add(prompt.query.cluster)
            for text in self._config.messages.values():
                yield replace(prompt, system=text)
        for task, (test, held_out) in parts.items():
            if len(test) < 2 or not held_out:
                raise UserError(
                    f"system-sweep: of task '{task}', {len(held_out)} questions fall to the part that a message is chosen on "
                    f"and {len(test)} to the test part, which needs two; ask more of them, or change held_out="
                    f"{self._config.held_out:g}"
                )

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        names = {text: name for name, text in self._config.messages.items()}
        sorted_out: dict[str, tuple[list[Trace], list[Trace]]] = {name: ([], []) for name in names.values()}
        for trace in traces:
            sorted_out[names[trace.prompt.system]][self._held_out(trace.prompt.query)].append(trace)
        test = {name: self._scores(parts[0]) for name, parts in sorted_out.items()}
        held_out = {name: self._scores(parts[1]) for name, parts in sorted_out.items()}
        questions = {t.prompt.id: _Question.of(t) for parts in sorted_out.values() for t in parts[0]}
        keys = _common([*test.values(), *held_out.values()])
        for metric in dict.fromkeys(metric for _, metric in keys):
            yield from _report([key for key in keys if key[1] == metric], test, held_out, questions)

    def _held_out(self, query: Query) -> bool:
        return int(content_id("held out", query.cluster), 16) / 2**64 < self._config.held_out

    def _scores(self, traces: Sequence[Trace]) -> dict[Key, Score]:
        return {(score.task, score.metric): score for score in self._of.score(traces)}


@dataclass(frozen=True)
class _Question:
    """What the answers to one question under several messages have in common."""

    prompt: str
    """The id of the prompt without its message."""
    cluster: str

    @classmethod
    def of(cls, trace: Trace) -> _Question:
        return cls(replace(trace.prompt, system="").id, trace.prompt.query.cluster)


def _common(scored: Sequence[Mapping[Key, Score]]) -> list[Key]:
    """The tasks and metrics, which are the same for every message in both parts."""
    first = list(scored[0])
    for other in scored[1:]:
        if odd := set(first) ^ set(other):
            task, metric = min(odd)
            raise OrcaError(
                f"system-sweep: the evaluator scored task '{task}' by {metric} for some messages or parts only"
            )
    return first


def _report(
    keys: Sequence[Key],
    test: Mapping[str, Mapping[Key, Score]],
    held_out: Mapping[str, Mapping[Key, Score]],
    questions: Mapping[str, _Question],
) -> Iterator[Score]:
    """The scores of one metric. The chosen message's come last: a run's headline is its last metric."""
    metric = keys[0][1]
    for name, scores in test.items():
        yield from (replace(scores[key], metric=f"{metric} ({name})") for key in keys)
    picks = {key: (_leader(held_out, key), _leader(test, key)) for key in keys}
    for key, (_, best) in picks.items():
        yield replace(test[best][key], metric=f"{metric} ({BEST})", note=best)
    for key, (chosen, best) in picks.items():
        if (found := _optimism(test[best][key], test[chosen][key], questions)) is not None:
            yield replace(
                found, metric=f"{metric} ({OPTIMISM})", note=best if best == chosen else f"{best}, not {chosen}"
            )
    for key, (chosen, _) in picks.items():
        yield replace(test[chosen][key], metric=f"{metric} ({CHOSEN})", note=chosen)


def _leader(scores: Mapping[str, Mapping[Key, Score]], key: Key) -> str:
    return max(scores, key=lambda name: scores[name][key].value)


def _optimism(best: Score, chosen: Score, questions: Mapping[str, _Question]) -> Score | None:
    """How far the best on the test part stands above the chosen one there; None where the evaluator keeps no items.

    The figure is never below nil, and nil where both are one message. Its mean over splits is what choosing on the test set
    adds to a score. The interval (bootstrap over questions) takes the two messages as given.
    """
    values = {questions[prompt]: value for prompt, value in best.items.items()}
    others = {questions[prompt]: value for prompt, value in chosen.items.items()}
    shared = [question for question in values if question in others]
    clusters = [question.cluster for question in shared]
    if len(set(clusters)) < 2:
        return None
    low, high = cluster_bootstrap([values[question] - others[question] for question in shared], clusters)
    value = best.value - chosen.value
    return replace(
        best,
        value=value,
        ci95=(min(value, max(0.0, low)), max(value, high)),
        chance=0.0,
        format_ok=None,
        items={},
        references={},
    )


def _build(config: SystemSweepConfig, context: Context) -> Evaluator:
    return SystemSweep(config, context.make("evaluator", config.of))


SYSTEM_SWEEP: Final = Component[SystemSweepConfig, Evaluator]("system-sweep", SystemSweepConfig, _build)
