"""What a model itself makes of its answers: how sure it is of them, and how many of its samples say the same.

All of it is computed from the model's own samples. A signal that is a function of it opens no loop: a model cannot learn from it
what it does not know (Z_t of the paper's chain X -> Z_t -> D_syn -> Z_{t+1}).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from orca_core import Trace
from orca_core.records import FINISHED
from orca_core.verify import stated_answer


@dataclass(frozen=True, slots=True)
class Opinion:
    """Of one answer among the samples of its prompt."""

    answer: str | None
    """What it comes down to (:func:`orca_core.verify.stated_answer`); None: it states nothing, or was cut off."""
    share: float
    """The share of the samples that come down to the same, in (0, 1]; 0 of one that states nothing."""
    agrees: bool
    """Whether it is the answer of most samples (of equally many, the one that came first)."""

    @property
    def bin(self) -> int:
        """The quarter that the share lies in: 1 of (0, 1/4], ..., 4 of (3/4, 1]; 0 of no answer."""
        return ceil(4 * self.share - 1e-9)


def prompt_of(trace: Trace) -> Hashable:
    """What the samples of one prompt share."""
    prompt = trace.prompt
    return prompt.query.id, prompt.system, prompt.choices


def by_prompt(traces: Iterable[Trace]) -> Iterator[list[Trace]]:
    """The samples of each prompt, which follow one another."""
    return (list(samples) for _, samples in groupby(traces, prompt_of))


def opinions(samples: Sequence[Trace]) -> list[Opinion]:
    """The model's opinion of each of the samples of one prompt."""
    answers = [stated_answer(trace) if trace.finish_reason == FINISHED else None for trace in samples]
    votes = Counter(answer for answer in answers if answer is not None)
    most = max(votes, key=votes.__getitem__, default=None)
    return [
        Opinion(
            answer, votes[answer] / len(answers) if answer is not None else 0.0, answer is not None and answer == most
        )
        for answer in answers
    ]


def confidence(trace: Trace) -> float | None:
    """Mean natural-log likelihood of a token of the answer; None: the responder does not tell."""
    if trace.logprob is None or not trace.completion_tokens:
        return None
    return trace.logprob / trace.completion_tokens
