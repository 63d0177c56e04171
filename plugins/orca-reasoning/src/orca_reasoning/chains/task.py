"""Chains of digits, and what a step of an answer may do to them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Annotated, Final

from pydantic import Field

from orca_core.records import Query, content_id

TASK: Final = "chains"
SEPARATOR: Final = ";"
"""Stands between the steps of an answer."""
Length = Annotated[int, Field(ge=2, le=12)]
_HELD_OUT: Final = 8


def query(digits: list[int]) -> Query:
    """The question of a chain."""
    text = " ".join(map(str, digits))
    return Query(text, f"{TASK}_{len(digits)}", target=str(sum(digits) % 10))


def digits_of(text: str) -> list[int] | None:
    """The chain that a text is; None: it is something else."""
    words = text.split()
    whole = bool(words) and all(len(word) == 1 and word in "0123456789" for word in words)
    return [int(word) for word in words] if whole else None


def follows(before: str, after: str) -> bool:
    """Whether the second text is the first one's chain with two neighbours replaced by their sum modulo 10."""
    chain, left = digits_of(before), digits_of(after)
    if chain is None or left is None:
        return False
    return any([*chain[:i], (chain[i] + chain[i + 1]) % 10, *chain[i + 2 :]] == left for i in range(len(chain) - 1))


def valid_steps(question: str, answer: str) -> list[bool]:
    """Whether each step of an answer follows from the chain before it, as that was written."""
    chains = [question, *answer.split(SEPARATOR)]
    return [follows(before, after) for before, after in pairwise(chains)]


def draw(length: int, rng: Random, *, held_out: bool) -> Iterator[Query]:
    """Distinct questions of a length; those whose hash falls in a fixed eighth are held out."""
    seen = set[str]()
    while len(seen) < 10**length:
        drawn = query([rng.randrange(10) for _ in range(length)])
        if drawn.text not in seen:
            seen.add(drawn.text)
            if (int(content_id(drawn.text), 16) % _HELD_OUT == 0) == held_out:
                yield drawn
