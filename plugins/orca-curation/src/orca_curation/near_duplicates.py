"""The selector and screen ``near-duplicates``: texts of which all but a few words were there before.

Data made from templates is full of texts that are alike and yet other questions: about one passage, about 5 apples and
7 apples, with *never* put in. So what is compared is what is left of a text without the template of its task, and two texts are
only copies if, beside the Jaccard similarity of their runs of words, they

- have the same numbers, brackets and signs in the same order;
- differ in no long stretch of words;
- belong to one task and have the same gold target, if any.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pydantic import Field

from orca_core.component import Component, Config
from orca_core.protocols import Screen, Selector
from orca_core.records import content_id
from orca_core.seen import BLOCK, Seen
from orca_curation.copies import Copy, CopyFilter, PromptPart, Subject, TracePart, words_or_text
from orca_curation.duplicates import EXACT
from orca_curation.minhash import Bands
from orca_curation.shingles import Shingles, shingles
from orca_curation.templates import Templates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
NEAR: Final = "near duplicate"
MOST: Final = 16
"""How many candidates a text is compared with, those with the most bands in common."""


FEW: Final = 6
"""Shingles of its own that a text must have: of *not True and True*, where all is template, no two are alike by the rest."""


class Likeness(Config):
    """When texts are copies of one another."""

    threshold: float = Field(
        0.55,
        gt=0,
        le=1,
        description="Jaccard similarity, at least, of their runs of words that are not the task's template",
    )
    words: int = Field(2, ge=1, description="words in a run")
    stretch: int | None = Field(8, ge=0, description="words in a row in which they may differ; null: any number")
    across_tasks: bool = Field(
        False,
        description="whatever the tasks; otherwise a sentence to be put into French is not one to be put into Korean",
    )
    permutations: int = Field(
        128, ge=16, le=1024, description="of MinHash: more find more of the copies near the threshold"
    )


class NearDuplicatesConfig(Likeness):
    """Drops traces whose query, or response, was there before but for a few words."""

    on: TracePart = Field(
        "query",
        description="what was there before: query, whatever its system message; prompt (query under the same system message); "
        "response; both (response to the same query)",
    )


class NearDuplicatePromptsConfig(Likeness):
    """Drops drawn prompts whose query was there before but for a few words."""

    on: PromptPart = Field(
        "query",
        description="what was there before: query, whatever its system message; prompt (query under the same system message)",
    )


class _Text(NamedTuple):
    task: str
    number: int
    """The hash of all that an exact copy has in common."""
    key: int
    """The hash of what a near copy has in common."""
    words: list[str]


class NearCopies:
    """Some 500 bytes for a text of 30 words: its entries in the bands, and 32 bits of each shingle's hash.

    Args:
        likeness: when texts are copies.
    """

    def __init__(self, likeness: Likeness) -> None:
        self._like = likeness
        self._seen = Seen()
        self._bands = Bands(likeness.threshold, likeness.permutations)
        self._kept: list[bytes | None] = []
        """Of each item the hashes of its shingles; None: it is a copy."""

    def sift(self, items: Iterable[T], subject: Callable[[T], Subject]) -> Iterator[tuple[T, Copy | None]]:
        subjects = map(subject, items)
        templates = Templates(((told.prompt.query.task, told.text) for told in subjects), self._like.words)
        again = iter(items)
        while block := list(islice(again, BLOCK)):
            texts = [self._text(subject(item)) for item in block]
            yield from zip(block, self._verdicts(texts, templates), strict=True)

    def _text(self, subject: Subject) -> _Text:
        query, found = subject.prompt.query, words_or_text(subject.text)
        same = " ".join(words_or_text(subject.same))
        figures = " ".join(word for word in found if not word[:1].isalpha())
        task = "" if self._like.across_tasks else query.task
        number, key = content_id(same, " ".join(found)), content_id(same, task, query.target or "", figures)
        return _Text(query.task, int(number, 16), int(key, 16), found)

    def _verdicts(self, texts: Sequence[_Text], templates: Templates) -> list[Copy | None]:
        import numpy as np

        first = len(self._kept)
        fresh = self._seen.add(text.number for text in texts)
        found = shingles((text.words for text in texts), self._like.words)
        found = templates.without(found, [text.task for text in texts])
        self._kept.extend(_rows(found, fresh))
        keys = np.array([text.key for text in texts], dtype=np.uint64)
        entries = self._bands.entries(found, keys, first)
        comparable = fresh & (np.diff(found.bounds) >= FEW)
        copies = self._near(entries[comparable])
        kept = np.array([row is not None for row in self._kept[first:]], dtype=np.bool_)
        self._bands.add(entries[comparable & kept])
        return [copies.get(first + place) if new else EXACT for place, new in enumerate(fresh)]

    def _near(self, entries: NDArray[np.uint64]) -> dict[int, Copy]:
        copies: dict[int, Copy] = {}
        for this, other in self._bands.candidates(entries, MOST):
            mine, its = self._kept[this], self._kept[other]
            if mine is not None and its is not None and alike(array("I", mine), array("I", its), self._like):
                copies[this] = Copy(NEAR, other)
                self._kept[this] = None
        return copies


def _rows(found: Shingles, wanted: Iterable[bool]) -> Iterator[bytes | None]:
    hashes = found.hashes.astype("uint32")
    for start, end, want in zip(found.bounds[:-1], found.bounds[1:], wanted, strict=True):
        yield hashes[start:end].tobytes() if want else None


def alike(one: Sequence[int], two: Sequence[int], likeness: Likeness) -> bool:
    """Whether two texts' shingles, in order, make them copies."""
    first, second = set(one), set(two)
    shared = len(first & second)
    if shared < likeness.threshold * (len(first) + len(second) - shared):
        return False
    if likeness.stretch is None:
        return True
    around = likeness.words - 1  # a word is in so many shingles more, but for those at the edges
    return max(_gap(one, second, around), _gap(two, first, around)) <= likeness.stretch + around


def _gap(row: Sequence[int], known: set[int], around: int) -> int:
    """The length of the longest run that is not known, with so many unknown ones around the row."""
    edge = (False,) * around
    there = (*edge, *map(known.__contains__, row), *edge)
    return max((len(list(run)) for found, run in groupby(there) if not found), default=0)


NEAR_DUPLICATES: Final = Component[NearDuplicatesConfig, Selector](
    "near-duplicates", NearDuplicatesConfig, lambda config, context: CopyFilter(lambda: NearCopies(config), config.on)
)
NEAR_DUPLICATE_PROMPTS: Final = Component[NearDuplicatePromptsConfig, Screen](
    "near-duplicates",
    NearDuplicatePromptsConfig,
    lambda config, context: CopyFilter(lambda: NearCopies(config), config.on),
)
