"""Asking a responder within the scoring: every prompt once, unreadable replies once more, and what it cost.

What was asked is the responder's to keep: one with a log of its own (``KeepsAnswers``) gives every answer again for nothing, so
that a scoring that was interrupted, or comes again with other figures in mind, buys nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

from orca_core import OrcaError, ProgressFn, Prompt, Responder, Trace, UserError
from orca_core.records import DEAD

R = TypeVar("R")
Parse = Callable[[str], R | None]


@dataclass
class Bill:
    """What asking took so far, told as it goes."""

    progress: ProgressFn
    total: int = 0
    """Prompts that will be asked, as far as is known."""
    done: int = 0
    sums: Counter[str] = field(default_factory=Counter)

    def enter(self, trace: Trace) -> None:
        """One more answer."""
        self.done += 1
        for name in ("prompt_tokens", "completion_tokens", "cost_usd"):
            self.sums[name] += getattr(trace, name) or 0
        dollars = {"dollars": self.sums["cost_usd"]} if self.sums["cost_usd"] else {}
        self.progress(self.done, self.total, **dollars)


@dataclass(frozen=True)
class Asker:
    """Somebody who is asked."""

    responder: Responder
    who: str
    """For messages: ``judge gpt-4``."""
    bill: Bill
    dead_letters: float = 0.0
    """The share of the prompts that may stay without an answer."""

    def answers(self, wanted: Mapping[str, Prompt], among: int | None = None) -> dict[str, Trace]:
        """The answer to each of these prompts; both are by the prompt's id.

        Args:
            wanted: what is asked.
            among: how many prompts those without an answer are a share of; these if not given.

        Raises:
            UserError: too many got none.
        """
        found: dict[str, Trace] = {}
        traces = self.responder.respond(iter(wanted.values()))
        with closing(traces) if isinstance(traces, Generator) else nullcontext():
            for trace in traces:
                found[trace.prompt.id] = trace
                self.bill.enter(trace)
        if missing := wanted.keys() - found.keys():
            raise OrcaError(f"{self.who} left {len(missing)} of {len(wanted)} prompts without an answer")
        self._check([trace for trace in found.values() if trace.finish_reason == DEAD], among or len(wanted))
        return found

    def readings(self, wanted: Mapping[str, Prompt], parsers: Mapping[str, Parse[R]]) -> dict[str, R | None]:
        """What the replies say, by prompt id; None where neither the first nor a second reply could be read.

        What got no reply at all is not asked again: the responder has tried that as often as it may.
        """
        replies = self.answers(wanted)
        read = {key: parsers[key](trace.text) for key, trace in replies.items()}
        unread = [key for key, reading in read.items() if reading is None and replies[key].finish_reason != DEAD]
        again = {key: replace(wanted[key], sample=1) for key in unread}
        self.bill.total += len(again)
        second = self.answers({prompt.id: prompt for prompt in again.values()}, len(wanted))
        return read | {key: parsers[key](second[prompt.id].text) for key, prompt in again.items()}

    def _check(self, dead: Sequence[Trace], total: int) -> None:
        if len(dead) > self.dead_letters * total:
            (reason, _), *_ = Counter(trace.error for trace in dead).most_common(1)
            raise UserError(
                f"{self.who} gave no answer to {len(dead):,} of {total:,} prompts (most often: {reason}). What it keeps of the "
                f"others is not asked again; the evaluator's dead_letters={-(-len(dead) * 1000 // total) / 1000} goes on without"
            )
