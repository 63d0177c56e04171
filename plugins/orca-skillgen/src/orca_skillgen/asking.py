"""Having a responder answer, and stop when nobody listens any more."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext

from orca_core import OrcaError, Prompt, Responder, Trace
from orca_core.records import DEAD


def open_traces(responder: Responder, prompts: Iterable[Prompt]) -> AbstractContextManager[Iterator[Trace]]:
    """The answers as they come; leaving the block stops the responder's work."""
    traces = responder.respond(prompts)
    return closing(traces) if isinstance(traces, Generator) else nullcontext(traces)


def answers(responder: Responder, prompts: Sequence[Prompt]) -> list[Trace]:
    """The answers in the order of the prompts, whose ids differ.

    Raises:
        OrcaError: one was left without an answer.
    """
    with open_traces(responder, prompts) as traces:
        by_id = {trace.prompt.id: trace for trace in traces}
    if missing := [prompt.id for prompt in prompts if prompt.id not in by_id]:
        raise OrcaError(f"{len(missing)} of {len(prompts)} prompts were left without an answer (first: {missing[0]})")
    return [by_id[prompt.id] for prompt in prompts]


def blank(trace: Trace) -> bool:
    """Whether there is no answer."""
    return trace.finish_reason == DEAD or not trace.text.strip()
