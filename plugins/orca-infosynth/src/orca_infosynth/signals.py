"""Signals by which a loop of self-training accepts the model's own samples, as selectors.

A signal is any selector: it says of every sample "kept", or why not. The evaluator ``openness`` tells how much that is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import Field

from orca_core import Component, Config, Selector, Trace, UserError
from orca_core.records import content_id
from orca_infosynth.opinions import by_prompt, confidence, opinions

Verdicts = Iterator[tuple[Trace, str | None]]


class MajorityConfig(Config):
    """Keeps the samples of a prompt that state what most of them state: the model's own vote (self-consistency)."""


class MajoritySelector:
    """One that states nothing has no vote and is never kept; of equally many, the answer that came first wins."""

    def select(self, traces: Iterable[Trace]) -> Verdicts:
        for samples in by_prompt(traces):
            for trace, opinion in zip(samples, opinions(samples), strict=True):
                yield trace, None if opinion.agrees else "not the majority's answer"


class ConfidentConfig(Config):
    """Keeps the half of all samples that the model itself found likeliest, by mean log-likelihood of a token."""


class ConfidentSelector:
    """Looks through the samples twice, as the half is one of all."""

    def select(self, traces: Iterable[Trace]) -> Verdicts:
        """UserError: a trace does not tell how likely it was."""
        from orca_infosynth.estimators import quartiles

        found = quartiles(_likelihood(trace) for trace in traces)
        for trace, quartile in zip(traces, found, strict=True):
            yield trace, None if quartile >= 2 else "of the less confident half"


def _likelihood(trace: Trace) -> float:
    found = confidence(trace)
    if found is None:
        raise UserError(
            f"selector confident: the answer of '{trace.model}' to prompt {trace.prompt.id} does not tell how likely it was; ask a "
            "student that samples (generation.temperature above 0, engine=orca), or choose another signal, e.g. selector=[majority]"
        )
    return found


class VerdictConfig(Config):
    """Keeps the answers that a verifier finds right, which may be made to err."""

    flip: float = Field(0.0, ge=0, le=1, description="share of the answers about which the verifier is wrong")


class VerdictSelector:
    """An answer without a verdict (its query has no gold target) is not kept.

    A verifier that errs about an answer does so each time it sees the same words.
    """

    def __init__(self, config: VerdictConfig, seed: int) -> None:
        self.flip, self.seed = config.flip, seed

    def select(self, traces: Iterable[Trace]) -> Verdicts:
        for trace in traces:
            if trace.correct is None:
                yield trace, "no verdict"
            else:
                yield trace, None if trace.correct != self._errs(trace) else "judged wrong"

    def _errs(self, trace: Trace) -> bool:
        digest = content_id("infosynth verdict", str(self.seed), trace.prompt.query.id, trace.text)
        return int(digest, 16) < self.flip * 2**64


MAJORITY: Final = Component[MajorityConfig, Selector](
    "majority", MajorityConfig, lambda config, context: MajoritySelector()
)
CONFIDENT: Final = Component[ConfidentConfig, Selector](
    "confident", ConfidentConfig, lambda config, context: ConfidentSelector()
)
VERDICT: Final = Component[VerdictConfig, Selector](
    "verdict", VerdictConfig, lambda config, context: VerdictSelector(config, context.seed)
)
