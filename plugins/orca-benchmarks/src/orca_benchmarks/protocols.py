"""The protocols: how an item is asked, and what an answer to it is worth. A metric's name tells its protocol.

``paper``: the Orca paper's, section 5: its prompt, temperature 0.7, the first capital letter. ``robust``: a plain question,
greedy, the answer that is stated last. ``likelihood``: which option is the likeliest continuation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from orca_benchmarks import prompting
from orca_benchmarks.items import Item, Space
from orca_benchmarks.prompting import Style
from orca_benchmarks.reading import first_capital, reaches, read
from orca_core.records import Decoding, Prompt, Query, Trace, content_id

Protocol = Literal["paper", "robust", "likelihood"]
PAPER_TEMPERATURE: Final = 0.7
"""The paper's footnote 14."""
PAPER: Final = "accuracy (paper)"
ROBUST: Final = "accuracy (robust)"
PAPER_READ_ROBUSTLY: Final = "accuracy (paper's answers, robust reader)"
ROBUST_READ_AS_PAPER: Final = "accuracy (robust answers, paper's reader)"
LIKELIHOOD: Final = "accuracy (likelihood)"
NORMALISED: Final = "accuracy (likelihood per character)"
DISTANCE: Final = "points above Orca-13B (paper)"
METRICS: Final = (PAPER, PAPER_READ_ROBUSTLY, ROBUST, ROBUST_READ_AS_PAPER, LIKELIHOOD, NORMALISED)
"""In the order of the report."""


@dataclass(frozen=True, slots=True)
class Manner:
    """What an evaluator's config says about asking."""

    suite: str
    capitals: str
    """The letters that the paper's reader knows; empty: those of the options."""
    scored: Literal["labels", "texts"]
    style: Style
    system: str = ""
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer is worth by a metric."""

    metric: str
    correct: bool
    format_ok: bool


def prompt(protocol: Protocol, item: Item, manner: Manner) -> Prompt | None:
    """What is asked; None if the protocol does not apply: ``paper`` and ``likelihood`` need options."""
    if protocol == "robust":
        return _robust(item, manner)
    if item.gold is None:
        return None
    return _paper(item, item.gold, manner) if protocol == "paper" else _likelihood(item, item.gold, manner)


def outcomes(trace: Trace, both_readers: bool) -> Iterator[Outcome]:
    """What a trace is worth, by each metric of its protocol; the query's meta tells how it was asked.

    Args:
        trace: an answer to one of the prompts above.
        both_readers: whether an answer that was written is also read by the other protocol's reader.
    """
    meta = trace.prompt.query.meta
    if meta["protocol"] == "likelihood":
        yield from _likeliest(trace, meta)
    elif meta["protocol"] == "paper":
        yield _by_capital(PAPER, trace, meta)
        if both_readers:
            yield _by_reading(PAPER_READ_ROBUSTLY, trace, meta)
    else:
        yield _by_reading(ROBUST, trace, meta)
        if both_readers and meta["capitals"]:
            yield _by_capital(ROBUST_READ_AS_PAPER, trace, meta)


def _paper(item: Item, gold: int, manner: Manner) -> Prompt:
    space = Space("option", item.space.options)
    target = space.labels[gold]
    query = _query("paper", prompting.paper(item), item, space, (target,), manner, space.letters)
    return Prompt(query, manner.system, decoding=_decoding(PAPER_TEMPERATURE, manner))


def _robust(item: Item, manner: Manner) -> Prompt:
    letters = "" if item.space.form == "word" else item.space.letters
    text = prompting.styled(item, manner.style)
    query = _query("robust", text, item, item.space, item.targets, manner, letters)
    decoding = _decoding(0.0, manner)
    if stops := prompting.stops(manner.style):
        decoding["stop"] = stops
    return Prompt(query, manner.system, decoding=decoding)


def _decoding(temperature: float, manner: Manner) -> Decoding:
    decoding = Decoding(temperature=temperature)
    if manner.max_tokens is not None:
        decoding["max_tokens"] = manner.max_tokens
    return decoding


def _likelihood(item: Item, gold: int, manner: Manner) -> Prompt:
    texts = manner.scored == "texts" and item.space.form != "word"
    choices = item.space.options if texts else item.space.labels
    text = prompting.question(item, options=not texts)
    query = _query("likelihood", text, item, item.space, (choices[gold],), manner, "")
    return Prompt(query, manner.system, choices=choices)


def _query(
    protocol: Protocol,
    text: str,
    item: Item,
    space: Space,
    targets: tuple[str, ...],
    manner: Manner,
    letters: str,
) -> Query:
    meta: dict[str, Any] = {
        **item.meta,
        "protocol": protocol,
        "form": space.form,
        "options": list(space.options),
        "synonyms": dict(space.synonyms),
        "targets": list(targets),
        "gold": item.gold,
        "capitals": letters and (manner.capitals or letters),
    }
    if item.passage:  # questions about one text share their luck: intervals count them as one cluster
        meta["cluster"] = content_id(item.passage)
    return Query(text, item.task, manner.suite, targets[0], space.labels, meta)


def _by_capital(metric: str, trace: Trace, meta: Mapping[str, Any]) -> Outcome:
    letter = first_capital(trace.text, meta["capitals"])
    return Outcome(metric, letter == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[meta["gold"]], letter is not None)


def _by_reading(metric: str, trace: Trace, meta: Mapping[str, Any]) -> Outcome:
    space = Space(meta["form"], tuple(meta["options"]), meta["synonyms"])
    answer = read(trace.text, space)
    return Outcome(metric, reaches(answer, space, meta["targets"]), answer is not None)


def _likeliest(trace: Trace, meta: Mapping[str, Any]) -> Iterator[Outcome]:
    """The likeliest choice, as it is and by the mean over its characters (lm-eval's ``acc`` and ``acc_norm``)."""
    logprobs = trace.choice_logprobs or ()
    per_character = [
        value / max(1, len(choice)) for value, choice in zip(logprobs, trace.prompt.choices, strict=bool(logprobs))
    ]
    for metric, values in ((LIKELIHOOD, list(logprobs)), (NORMALISED, per_character)):
        best = max(range(len(values)), key=values.__getitem__, default=None)
        yield Outcome(metric, best == meta["gold"], best is not None)
