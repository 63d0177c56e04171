"""What exact and near duplicates have in common: which text of a prompt or trace is compared, and filtering a stream by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from textwrap import shorten
from typing import Final, Generic, Literal, NamedTuple, Protocol, TypeVar

from orca_core.protocols import Flag
from orca_core.records import Prompt, Trace
from orca_curation.shingles import words

T = TypeVar("T")
PromptPart = Literal["query", "prompt"]
TracePart = Literal["query", "prompt", "response", "both"]
EVIDENCE: Final = 120
"""Characters of the earlier text."""


class Subject(NamedTuple):
    """What is compared of a prompt, or of a trace."""

    prompt: Prompt
    same: str
    """What copies have in common word for word."""
    text: str
    """What they have in common, or nearly."""


class Copy(NamedTuple):
    """The verdict on what was there before."""

    reason: str
    of: int | None = None
    """Which item of the stream it is a copy of, from 0 on; None: one of the same text."""


class Finder(Protocol):
    """Finds copies in a stream. It starts with nothing known; use it once."""

    def sift(self, items: Iterable[T], subject: Callable[[T], Subject]) -> Iterator[tuple[T, Copy | None]]:
        """Every item in order, with what it is a copy of among those before that are not copies themselves.

        Items may be iterated over more than once.
        """
        ...


class CopyFilter:
    """A selector and a screen that drop what was there before.

    The answers to one prompt stay together: they are no copies of one another unless their responses are compared.

    Args:
        finder: makes what finds the copies, anew for every pass.
        on: which text is compared.
    """

    def __init__(self, finder: Callable[[], Finder], on: TracePart) -> None:
        self._finder, self._on = finder, on

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        groups = Groups(traces, lambda trace: trace.prompt, together=self._on in ("query", "prompt"))
        for group, copy in self._finder().sift(groups, lambda group: self._subject(group[0].prompt, group[0].text)):
            yield from ((trace, copy.reason if copy else None) for trace in group)

    def screen(
        self, prompts: Iterable[Prompt], questions: Mapping[str, Iterable[Prompt]]
    ) -> Iterator[tuple[Prompt, Flag | None]]:
        groups = Groups(prompts, lambda prompt: prompt, together=True)
        starts: list[str] = []
        for group, copy in self._finder().sift(groups, lambda group: self._subject(group[0])):
            starts.append(shorten(group[0].query.text[: 2 * EVIDENCE], EVIDENCE, placeholder=" ..."))
            flag = Flag(copy.reason, evidence=starts[-1 if copy.of is None else copy.of]) if copy else None
            yield from ((prompt, flag) for prompt in group)

    def _subject(self, prompt: Prompt, response: str = "") -> Subject:
        query = prompt.query.text
        compared = {"query": ("", query), "prompt": (prompt.system, query), "response": ("", response)}
        return Subject(prompt, *compared.get(self._on, (query, response)))


class Groups(Generic[T]):
    """Items that follow one another and belong to samples of one prompt; the same sample again begins another group.

    Args:
        items: what is grouped.
        prompt: an item's.
        together: otherwise each item is a group.
    """

    def __init__(self, items: Iterable[T], prompt: Callable[[T], Prompt], *, together: bool) -> None:
        self._items = list(items) if isinstance(items, Iterator) else items  # which could be passed over but once
        self._prompt, self._together = prompt, together

    def __iter__(self) -> Iterator[list[T]]:
        group: list[T] = []
        for item in self._items:
            if group and not (self._together and _next_sample(self._prompt(group[-1]), self._prompt(item))):
                yield group
                group = []
            group.append(item)
        if group:
            yield group


def _next_sample(last: Prompt, this: Prompt) -> bool:
    return this.sample > last.sample and replace(this, sample=last.sample) == last


def words_or_text(text: str) -> list[str]:
    """The words of a text; a text of punctuation alone is a word as it stands."""
    return words(text) or [" ".join(text.split())]
