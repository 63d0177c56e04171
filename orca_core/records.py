"""The records that travel between the stages: Query, Prompt, Trace, Score.

Plain frozen dataclasses: a run holds millions of them. Serialisation is in :mod:`orca_core.tables`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypedDict

FINISHED = "stop"
"""The finish reason of a trace that ended by itself (the others are ``length``, ``content_filter``, ``error``)."""
DEAD = "error"
"""The finish reason of a dead letter: a prompt that got no answer, for the reason in ``Trace.error``."""


def content_id(*parts: str) -> str:
    """A short stable id of some text: 16 hexadecimal digits of BLAKE2b over the parts, length-prefixed."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class Turn(NamedTuple):
    """An exchange that came before a question."""

    question: str
    answer: str
    learnt: bool = True
    """Whether a student learns to give this answer; otherwise it only reads it."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question of a task. The gold ``target`` and the ``choices`` of a multiple-choice question stay with it to the end."""

    text: str
    task: str
    collection: str = ""
    target: str | None = None
    choices: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Anything JSON can hold: the template type, the difficulty, the source file."""
    history: tuple[Turn, ...] = ()
    """What was said before, in a conversation of several turns."""

    @property
    def id(self) -> str:
        """Stable across runs, machines and shard orders: a hash of task and text, and of what was said before."""
        return content_id(self.task, self.text, *(text for turn in self.history for text in turn[:2]))

    @property
    def cluster(self) -> str:
        """What this question shares its luck with: ``meta["cluster"]`` (the passage that several ask about), or else itself.

        Intervals and tests take answers of one cluster, such as several samples of one question, for one piece of evidence.
        """
        return str(self.meta.get("cluster") or self.id)

    @property
    def multiple_choice(self) -> bool:
        """Whether the question offers options to choose from."""
        return bool(self.choices)


class Decoding(TypedDict, total=False):
    """How an answer is to be written. What is absent is the responder's own setting."""

    temperature: float
    """0 takes the likeliest token."""
    max_tokens: int
    """Longest answer, end token included."""
    stop: list[str]
    """Strings that end the answer and are no part of it."""
    raw: bool
    """The query's text is to be continued as it is, without a chat's form (:mod:`orca_core.rawtext`); there is no system message."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A query paired with a system message: what a responder is asked. ``system=""`` is the paper's empty message."""

    query: Query
    system: str = ""
    choices: tuple[str, ...] = ()
    """Continuations whose log-likelihoods are wanted in the trace; empty: an answer is generated."""
    sample: int = 0
    """The number of the answer, where several are wanted of one prompt."""
    decoding: Decoding = field(default_factory=Decoding)
    """What the asker demands over the responder's own settings: an evaluation protocol may prescribe the temperature."""

    @property
    def id(self) -> str:
        """Stable id of all that is asked, the sample number included: what journals, caches and paired tests join on."""
        first = content_id(self.query.id, self.system, *self.choices)
        if self.decoding:
            first = content_id(first, json.dumps(self.decoding, sort_keys=True))
        return content_id(first, str(self.sample)) if self.sample else first

    def samples(self, count: int) -> list[Prompt]:
        """The prompt, ``count`` times, for an answer each; other samples of the same prompt have numbers of their own."""
        if count == 1:
            return [self]
        first = self.sample * count
        return [replace(self, sample=sample) for sample in range(first, first + count)]

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat messages in the OpenAI form; an empty system message is left out."""
        said = [("system", self.system)] if self.system else []
        for turn in self.query.history:
            said += [("user", turn.question), ("assistant", turn.answer)]
        return [{"role": role, "content": text} for role, text in (*said, ("user", self.query.text))]


@dataclass(frozen=True, slots=True)
class Trace:
    """A responder's answer to a prompt. A trace that selection keeps is a training example <system, query, response>."""

    prompt: Prompt
    text: str
    model: str
    finish_reason: str = FINISHED
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    cost_usd: float | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    choice_logprobs: tuple[float, ...] | None = None
    """Natural-log likelihood of each of the prompt's choices, in their order."""
    choice_greedy: tuple[bool, ...] | None = None
    """Whether greedy decoding would write each of the choices, token by token; None: the responder does not tell."""
    logprob: float | None = None
    """Natural-log likelihood of the answer as the responder wrote it, summed over its ``completion_tokens``; None: not told."""
    correct: bool | None = None
    """The verifier's verdict on the answer; None: the query has no gold target."""
    error: str = ""
    """Of a dead letter (``finish_reason`` :data:`DEAD`): why there is no answer."""


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of one task, never without its sample size, interval and chance level."""

    task: str
    metric: str
    value: float
    n: int
    ci95: tuple[float, float]
    chance: float | None = None
    format_ok: float | None = None
    """Share of the answers out of which the extractor could read an answer at all."""
    items: Mapping[str, float] = field(default_factory=dict)
    """Value of every item by prompt id, for paired tests between subjects."""
    references: Mapping[str, float] = field(default_factory=dict)
    """Published figures to show beside it, by the name of their column."""
    clusters: int | None = None
    """How many clusters (:attr:`Query.cluster`) the items come from, where these are fewer. The core tells, and widens ``ci95``."""
    note: str = ""
    """What else must be said of the figure, in a few words."""
