"""The contracts of orca's protocols as checks that plugin authors call in their tests; each raises AssertionError.

::

    def test_the_plugin_keeps_the_contract():
        check_plugin("my_plugin")

    def test_the_teacher_keeps_the_contract(tmp_path):
        check_responder(build(my_plugin.TEACHER, make_context(tmp_path), style="brief"))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final, TypeVar

from orca_core import (
    Component,
    Config,
    Context,
    Estimate,
    Evaluator,
    Prompt,
    Query,
    Responder,
    Sampler,
    Selector,
    Student,
    Trace,
)
from orca_core.component import canonical
from orca_core.protocols import Estimates
from orca_core.testing.plugin_contract import check_plugin, expect

C = TypeVar("C", bound=Config)
R = TypeVar("R")
FINISH_REASONS: Final = frozenset({"stop", "length", "content_filter", "error"})
STOP_S: Final = 10.0
STREAM: Final = 10_000

__all__ = [
    "build",
    "check_evaluator",
    "check_plugin",
    "check_responder",
    "check_sampler",
    "check_selector",
    "check_student",
    "make_context",
    "make_prompts",
]


def make_prompts(n: int = 8) -> list[Prompt]:
    """Small sums with their gold answers, half of them with a system message."""
    sums = [Query(text=f"What is {i} + {i + 1}?", task="sums", target=str(2 * i + 1)) for i in range(n)]
    return [Prompt(query, system="Think step by step." if i % 2 else "") for i, query in enumerate(sums)]


def make_context(cache: Path, *, seed: int = 0, make: Callable[[str, Any], Any] | None = None) -> Context:
    """A context as the core gives it; without ``make`` for components that build no others."""

    def refuse(kind: str, node: Any) -> Any:
        raise AssertionError(f"this component builds another one ({kind}): pass make= to make_context")

    return Context(seed=seed, cache=cache, make=make or refuse)


def build(component: Component[C, R], context: Context, /, **config: Any) -> R:
    """Build a component as the core does; ``config`` are the fields that differ from its defaults."""
    checked = component.config(**config)

    def identity() -> dict[str, Any]:
        keyed = canonical(checked, component.name)
        return {"name": component.name, "version": component.version, "config": keyed}

    return component.build(checked, replace(context, identity=identity))


def check_responder(
    responder: Responder, prompts: Sequence[Prompt] | None = None, *, stream: int = STREAM
) -> list[Trace]:
    """One trace per prompt; prompts pulled as it goes; closing stops it; its estimate, if it gives one, fits.

    Args:
        responder: the teacher, or a fitted student.
        prompts: what it is asked (:func:`make_prompts` if not given).
        stream: length of the stream of which it may not read everything before its first answer.

    Returns:
        The traces, for checks of your own.
    """
    asked = make_prompts() if prompts is None else list(prompts)
    if isinstance(responder, Estimates):
        estimate = responder.estimate(iter(asked))
        expect(
            isinstance(estimate, Estimate) and estimate.prompts <= len(asked), f"estimate of {len(asked)}: {estimate}"
        )
    traces = list(responder.respond(iter(asked)))
    for trace in traces:
        _check_trace(trace)
    expect(sorted(t.prompt.id for t in traces) == sorted(p.id for p in asked), "respond: not one trace per prompt")
    expect(list(responder.respond(iter(()))) == [], "respond: traces without prompts")
    _check_streaming(responder, asked, stream)
    return traces


def _check_trace(trace: Trace) -> None:
    expect(isinstance(trace, Trace), f"respond yields {type(trace).__name__}, not Trace")
    expect(isinstance(trace.text, str), f"trace.text is {type(trace.text).__name__}, not str")
    expect(bool(trace.model), "trace.model is empty: it says who answered")
    expect(
        trace.finish_reason in FINISH_REASONS,
        f"finish_reason is {trace.finish_reason!r}, not of {sorted(FINISH_REASONS)}",
    )
    for name in ("choice_logprobs", "choice_greedy"):
        told = getattr(trace, name)
        expect(told is None or len(told) == len(trace.prompt.choices), f"{name}: not one per choice of the prompt")


def _check_streaming(responder: Responder, prompts: Sequence[Prompt], length: int) -> None:
    pulled = 0

    def source() -> Iterator[Prompt]:
        nonlocal pulled
        for prompt in islice(cycle(prompts), length):
            pulled += 1
            yield prompt

    answers = iter(responder.respond(source()))
    next(answers)
    expect(pulled < length, f"respond read all of {length} prompts before its first answer; pull them as you go")
    close: Callable[[], None] | None = getattr(answers, "close", None)
    if close is not None:
        start = time.monotonic()
        close()
        expect(time.monotonic() - start < STOP_S, f"closing respond's iterator took more than {STOP_S:.0f} s")


def check_sampler(make: Callable[[], Sampler], *, n: int = 200) -> list[Prompt]:
    """Two samplers of the same config and seed give the same first ``n`` prompts, no two with the same id.

    Returns:
        Those prompts.
    """
    first, second = (list(islice(make().sample(), n)) for _ in range(2))
    expect(bool(first), "sample yields nothing")
    for prompt in first:
        expect(isinstance(prompt, Prompt), f"sample yields {type(prompt).__name__}, not Prompt")
        expect(bool(prompt.query.text) and bool(prompt.query.task), f"prompt {prompt.id} has no text or no task")
    expect(first == second, "the same config and seed gave other prompts, or the same in another order")
    _distinct([prompt.id for prompt in first], "sample yields a prompt twice")
    return first


def check_selector(selector: Selector, traces: Sequence[Trace]) -> list[tuple[Trace, str | None]]:
    """Every trace comes back once and in order, dropped ones with a reason.

    Returns:
        The verdicts.
    """
    verdicts = list(selector.select(list(traces)))
    expect([trace for trace, _ in verdicts] == list(traces), "select: not every trace once, or in another order")
    for trace, reason in verdicts:
        expect(
            reason is None or (isinstance(reason, str) and bool(reason)),
            f"select: the reason for trace {trace.prompt.id} is {reason!r}; None keeps it, a text drops it",
        )
    return verdicts


def check_evaluator(
    evaluator: Evaluator, answer: Callable[[Prompt], str] = lambda prompt: prompt.query.target or ""
) -> None:
    """The same distinct prompts each time; scores with a sample size, an interval around the value and items that exist.

    Args:
        evaluator: what is checked.
        answer: makes the answer that is scored; the gold target if not given.
    """
    prompts = list(evaluator.prompts())
    expect(bool(prompts), "evaluator: no prompts")
    expect(prompts == list(evaluator.prompts()), "evaluator: other prompts the second time")
    ids = [prompt.id for prompt in prompts]
    _distinct(ids, "evaluator: the same prompt twice")
    traces = (
        Trace(prompt, _answer_text(prompt, answer), model="contract", choice_logprobs=_flat(prompt))
        for prompt in prompts
    )
    scores = list(evaluator.score(traces))
    expect(bool(scores), "evaluator: no scores")
    _distinct([f"{score.task} {score.metric}" for score in scores], "evaluator: a task scored twice by one metric")
    for score in scores:
        low, high = score.ci95
        expect(1 <= score.n <= len(prompts), f"score of {score.task}: n is {score.n}, of {len(prompts)} prompts")
        expect(
            low <= score.value <= high, f"score of {score.task}: {score.value} is not within its interval {score.ci95}"
        )
        expect(set(score.items) <= set(ids), f"score of {score.task}: items that are no prompts")


def _answer_text(prompt: Prompt, answer: Callable[[Prompt], str]) -> str:
    return "" if prompt.choices else answer(prompt)


def _flat(prompt: Prompt) -> tuple[float, ...] | None:
    return tuple(-float(i + 1) for i in range(len(prompt.choices))) or None


def check_student(student: Student, examples: Sequence[Trace], out: Path) -> Responder:
    """An untrained and a trained checkpoint appear where they should, and the loaded model is a responder.

    Args:
        student: small enough to be trained twice in a test.
        examples: what it is trained on.
        out: an empty directory.

    Returns:
        The fitted model.
    """
    for name, epochs in (("untrained", 0), ("trained", 1)):
        directory = out / name
        directory.mkdir()
        student.fit(iter(examples), epochs=epochs, init=None, out=directory)
        expect((directory / "checkpoint" / "config.json").is_file(), f"fit(epochs={epochs}): no checkpoint/config.json")
    fitted = student.load(out / "trained" / "checkpoint")
    check_responder(fitted, [trace.prompt for trace in examples[:2]])
    return fitted


def _distinct(names: Iterable[str], complaint: str) -> None:
    seen: set[str] = set()
    for name in names:
        expect(name not in seen, f"{complaint}: {name}")
        seen.add(name)
