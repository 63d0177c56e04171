"""Which prompts begin alike, so that what they share is run once: system messages, worked examples, several samples of a prompt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

Ids = Sequence[int]
BLOCK: Final = 32
"""Tokens compared at once while beginnings are looked for."""
WORTH: Final = 512
"""Tokens that must be saved for a beginning to be run by itself: a pass of its own costs about as much."""


@dataclass(frozen=True)
class Family:
    """Prompts with a common beginning."""

    members: tuple[int, ...]
    """Their places in what was looked through."""
    shared: tuple[int, ...] = ()
    """The tokens that all of them begin with; each has at least one more."""


def families(prompts: Sequence[Ids]) -> list[Family]:
    """Divide prompts so that running each family's shared beginning once saves the most tokens.

    A prompt that shares nothing worth it is of the last family, whose ``shared`` is empty.
    """
    rest: list[int] = []
    found: list[Family] = []
    for members, depth in _divide(prompts, list(range(len(prompts))), 0)[1]:
        if (len(members) - 1) * depth < WORTH:
            rest.extend(members)
            continue
        found.append(Family(tuple(members), _beginning([prompts[i] for i in members])))
    return found + ([Family(tuple(sorted(rest)))] if rest else [])


def _beginning(prompts: Sequence[Ids]) -> tuple[int, ...]:
    """What all of them begin with, but for the last token of the shortest."""
    least, greatest = min(map(tuple, prompts)), max(map(tuple, prompts))  # what these two begin with, all do
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, greatest, strict=False))
    return tuple(token for token, _ in same)[: min(map(len, prompts)) - 1]


def _divide(prompts: Sequence[Ids], members: list[int], depth: int) -> tuple[int, list[tuple[list[int], int]]]:
    """The best division of prompts that agree in their first ``depth`` tokens: (tokens saved, (members, depth) of each part).

    The depth is a multiple of ``BLOCK``, and every member is longer.
    """
    here = (len(members) - 1) * depth
    branches: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for i in members:
        if len(prompts[i]) > depth + BLOCK:
            branches[tuple(prompts[i][depth : depth + BLOCK])].append(i)
    saved, parts = 0, list[tuple[list[int], int]]()
    for branch in branches.values():
        if len(branch) > 1:
            gain, inner = _divide(prompts, branch, depth + BLOCK)
            saved, parts = saved + gain, parts + inner
    if not parts:
        return here, [(members, depth)]
    inside = {i for part, _ in parts for i in part}
    left = [i for i in members if i not in inside]
    saved += max(0, len(left) - 1) * depth
    if saved <= here:
        return here, [(members, depth)]
    return saved, parts + ([(left, depth)] if left else [])
