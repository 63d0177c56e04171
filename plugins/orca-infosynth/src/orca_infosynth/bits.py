"""The selector ``bits``: trains where the signal still tells the model something.

A verdict on one more sample of a question q, of whose K samples the signal kept k, carries about H2(p) bits, with
p = (k + 1) / (K + 2) (Laplace's rule) and H2(p) = -p log2 p - (1 - p) log2 (1 - p). Questions whose samples were all judged alike
told nothing apart; dropping them is what DAPO's group filter does (arXiv 2503.14476).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from math import log2, sqrt
from typing import Any, Final, NamedTuple

from pydantic import Field

from orca_core import Component, Config, Context, Selector, Trace, part
from orca_infosynth.opinions import prompt_of

Judged = tuple[Trace, str | None]
ALIKE: Final = "its samples were all judged alike"
FEW_BITS: Final = "too few bits"
NOT_CHOSEN: Final = "others carry more bits per token"
ENOUGH: Final = "enough of its prompt"


class BitsConfig(Config):
    """Keeps what a signal keeps of the prompts on which its verdicts carry bits."""

    signal: Any = part("selector", description="the selector whose verdicts are the signal")
    min_bits: float = Field(0.0, ge=0, le=1, description="least bits that a sample's verdict is expected to carry")
    keep: int | None = Field(None, ge=1, description="most samples kept of each prompt; null: all")
    prompts: int | None = Field(
        None, ge=1, description="keep so many prompts: those of most bits per generated token, tasks taking turns"
    )


class Worth(NamedTuple):
    """What a prompt is worth."""

    per_token: float
    """Expected bits of a sample's verdict by its length in tokens."""
    task: str
    prompt: Hashable


def expected_bits(kept: int, samples: int) -> float:
    """H2((k + 1) / (K + 2)): the bits of one more verdict, in (0, 1]."""
    p = (kept + 1) / (samples + 2)
    return -p * log2(p) - (1 - p) * log2(1 - p)


class BitsSelector:
    """Streams where no number of prompts is set; else it looks through the traces twice."""

    def __init__(self, config: BitsConfig, signal: Callable[[], Selector]) -> None:
        self.config, self.signal = config, signal

    def select(self, traces: Iterable[Trace]) -> Iterator[Judged]:
        chosen = None if self.config.prompts is None else self._chosen(traces, self.config.prompts)
        for samples in self._groups(traces):
            reason = self._against(samples)
            if reason is None and chosen is not None and prompt_of(samples[0][0]) not in chosen:
                reason = NOT_CHOSEN
            yield from self._marked(samples, reason)

    def _groups(self, traces: Iterable[Trace]) -> Iterator[list[Judged]]:
        return (list(group) for _, group in groupby(self.signal().select(traces), lambda one: prompt_of(one[0])))

    def _against(self, samples: Sequence[Judged]) -> str | None:
        """What there is against a prompt, by the signal's verdicts on its samples."""
        kept = _kept(samples)
        if kept in (0, len(samples)):
            return ALIKE
        return FEW_BITS if expected_bits(kept, len(samples)) < self.config.min_bits else None

    def _marked(self, samples: Sequence[Judged], reason: str | None) -> Iterator[Judged]:
        left = len(samples) if self.config.keep is None else self.config.keep
        for trace, against in samples:
            if reason is None and against is None:
                left -= 1
                yield trace, None if left >= 0 else ENOUGH
            else:
                yield trace, reason or f"signal: {against}"

    def _chosen(self, traces: Iterable[Trace], count: int) -> set[Hashable]:
        """Greedily by bits per token times 1 / sqrt(1 + n), n being the prompts of the task chosen already: repeats tell less."""
        queues: dict[str, list[Worth]] = defaultdict(list)
        for samples in self._groups(traces):
            if self._against(samples) is None:
                worth = _worth(samples)
                queues[worth.task].append(worth)
        for queue in queues.values():
            queue.sort(key=lambda worth: -worth.per_token)
        taken = dict.fromkeys(queues, 0)
        chosen: set[Hashable] = set()
        while len(chosen) < count and (open_ := [task for task in queues if taken[task] < len(queues[task])]):
            best = max(open_, key=lambda task: queues[task][taken[task]].per_token / sqrt(1 + taken[task]))
            chosen.add(queues[best][taken[best]].prompt)
            taken[best] += 1
        return chosen


def _kept(samples: Sequence[Judged]) -> int:
    return sum(reason is None for _, reason in samples)


def _worth(samples: Sequence[Judged]) -> Worth:
    """Tokens are words where the responder does not count them."""
    first = samples[0][0]
    tokens = sum(trace.completion_tokens or len(trace.text.split()) for trace, _ in samples) / len(samples)
    bits = expected_bits(_kept(samples), len(samples))
    return Worth(bits / max(1.0, tokens), first.prompt.query.task, prompt_of(first))


def _build(config: BitsConfig, context: Context) -> Selector:
    return BitsSelector(config, lambda: context.make("selector", config.signal))


BITS: Final = Component[BitsConfig, Selector]("bits", BitsConfig, _build)
