"""The selector and screen ``duplicates``: texts that were there before, word for word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from pydantic import Field

from orca_core.component import Component, Config
from orca_core.protocols import Screen, Selector
from orca_core.records import content_id
from orca_core.seen import BLOCK, Seen
from orca_curation.copies import Copy, CopyFilter, PromptPart, Subject, TracePart, words_or_text

T = TypeVar("T")
EXACT: Final = Copy("exact duplicate")


class DuplicatesConfig(Config):
    """Drops traces whose query, or response, was there before."""

    on: TracePart = Field(
        "query",
        description="what was there before: query, whatever its task and system message; prompt (query and system message); "
        "response; both (query and response)",
    )
    exactly: bool = Field(
        False, description="compare character by character, not word by word whatever the case, blanks and punctuation"
    )


class DuplicatePromptsConfig(DuplicatesConfig):
    """Drops drawn prompts whose query was there before."""

    on: PromptPart = Field(
        "query",
        description="what was there before: query, whatever its task and system message; prompt (query and system message)",
    )


class ExactCopies:
    """Eight bytes a text: the hash of its words.

    Args:
        exactly: of its characters.
    """

    def __init__(self, exactly: bool = False) -> None:
        self._exactly, self._seen = exactly, Seen()

    def sift(self, items: Iterable[T], subject: Callable[[T], Subject]) -> Iterator[tuple[T, Copy | None]]:
        items = iter(items)
        while block := list(islice(items, BLOCK)):
            fresh = self._seen.add(self._number(subject(item)) for item in block)
            yield from zip(block, (None if new else EXACT for new in fresh), strict=True)

    def _number(self, subject: Subject) -> int:
        parts = subject.same, subject.text
        texts = parts if self._exactly else (" ".join(words_or_text(part)) for part in parts)
        return int(content_id(*texts), 16)


DUPLICATES: Final = Component[DuplicatesConfig, Selector](
    "duplicates", DuplicatesConfig, lambda config, context: CopyFilter(lambda: ExactCopies(config.exactly), config.on)
)
DUPLICATE_PROMPTS: Final = Component[DuplicatePromptsConfig, Screen](
    "duplicates",
    DuplicatePromptsConfig,
    lambda config, context: CopyFilter(lambda: ExactCopies(config.exactly), config.on),
)
