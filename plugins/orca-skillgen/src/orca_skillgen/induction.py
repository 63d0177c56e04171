"""What a skill is induced from: the base teacher's answers, right and wrong, and each wrong one beside the right one most like it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from orca_core import Trace

if TYPE_CHECKING:
    import numpy as np

PAIRS: Final = 20
"""SkillGen contrasts the 20 most similar pairs."""
DIMENSIONS: Final = 512
_TOKEN: Final = re.compile(r"\d+|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Case:
    """A question that the base teacher answered."""

    question: str
    answer: str
    target: str
    right: bool


def case(trace: Trace) -> Case:
    """A judged trace as a case."""
    query = trace.prompt.query
    return Case(query.text, trace.text, query.target or "", bool(trace.correct))


def contrasts(cases: Sequence[Case], most: int = PAIRS) -> list[tuple[Case, Case]]:
    """The most similar pairs of a wrong and a right answer, by their questions; every wrong one at most once.

    Similar is a high cosine of hashed counts of words and pairs of words, numbers by their number of digits only.
    """
    import numpy as np

    wrong, right = [c for c in cases if not c.right], [c for c in cases if c.right]
    if not wrong or not right:
        return []
    likeness = _vectors(wrong) @ _vectors(right).T
    nearest = likeness.argmax(axis=1)
    order = np.argsort(-likeness.max(axis=1), kind="stable")[:most]
    return [(wrong[i], right[nearest[i]]) for i in order]


def _vectors(cases: Sequence[Case]) -> np.ndarray[Any, Any]:
    """Unit vectors [cases, DIMENSIONS] of their questions."""
    import numpy as np

    vectors = np.zeros((len(cases), DIMENSIONS))
    for row, one in zip(vectors, cases, strict=True):
        tokens = ["#" * len(t) if t.isdigit() else t for t in _TOKEN.findall(one.question.casefold())]
        for gram in (*tokens, *map(" ".join, pairwise(tokens))):
            row[crc32(gram.encode()) % DIMENSIONS] += 1
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
