"""How much a problem's expert answer counts, and each own answer that was right: one advantage a sequence.

``K`` answers remain when near-duplicates are dropped, ``k`` of them are right. Own wrong answers enter the statistics of
``mix="released"`` and are never learnt from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt, tanh
from typing import Literal

Mix = Literal["released", "paper", "rejection"]
AllCorrect = Literal["released", "floor", "skip"]
FLOOR = 0.05
"""The least weight of the expert with ``mix="paper"``, and all weights with ``all_correct="floor"``."""


@dataclass(frozen=True)
class Tally:
    """What became of a problem's own answers."""

    answers: int
    """Distinct ones, ``K``."""
    right: int
    """Well-formed and right, ``k``."""
    wrong: int
    """Well-formed and wrong, as far as they enter the statistics."""


def advantages(tally: Tally, mix: Mix, all_correct: AllCorrect = "released") -> tuple[float, float]:
    """(the expert's advantage, that of each right answer of the policy's own)."""
    if tally.right == 0:
        return 1.0, 0.0
    if mix == "paper":
        solved = tally.right / tally.answers
        return max(FLOOR, 1 - solved), solved / tally.right
    if mix == "rejection":
        return 0.0, 1 / tally.right
    if tally.right == tally.answers and all_correct != "released":
        return (FLOOR, FLOOR) if all_correct == "floor" else (0.0, 0.0)
    return released(tally)


def released(tally: Tally) -> tuple[float, float]:
    """The authors' code: standardised rewards, squashed, shared out.

    ``r = [1 + 2 (1 - k/K), 1 (k times), 0 (for each wrong one)]``, ``a = tanh(0.4 (r - mean) / (std + 1e-6))``; the expert gets
    ``a / (1 + k)``, an own answer ``0.25 clip(a / (1 + k), 0.02, 0.15)``. Rewards without variance (``k = K``, none wrong) leave
    the expert alone, with 1.
    """
    k = tally.right
    rewards = [1 + 2 * (1 - k / tally.answers), *[1.0] * k, *[0.0] * tally.wrong]
    mean = sum(rewards) / len(rewards)
    deviation = sqrt(sum((reward - mean) ** 2 for reward in rewards) / len(rewards))
    if deviation == 0:
        return 1.0, 0.0
    expert, own = (tanh(0.4 * (reward - mean) / (deviation + 1e-6)) / (1 + k) for reward in rewards[:2])
    return expert, 0.25 * min(max(own, 0.02), 0.15)


def distinct(texts: Sequence[str], alike: float) -> list[int]:
    """The numbers of the texts that are not much like an earlier one of these."""
    kept: list[tuple[int, frozenset[tuple[str, ...]]]] = []
    for number, grams in enumerate(map(trigrams, texts)):
        if all(jaccard(grams, other) < alike for _, other in kept):
            kept.append((number, grams))
    return [number for number, _ in kept]


def trigrams(text: str) -> frozenset[tuple[str, ...]]:
    """Runs of three words; of a shorter text, all of it."""
    words = text.split()
    return frozenset(tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """What two sets share, as a part of all that they hold."""
    return len(one & other) / len(one | other)
