"""Which system message a query is asked under: the paper's sixteen roles in their shares (its Table 2 and Fig. 6), or yours."""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Annotated, Final

from pydantic import Field

from orca_core.component import Config
from orca_core.errors import UserError, did_you_mean
from orca_core.records import Query

OTHERS: Final = "*"
"""Stands for every collection that no message names."""

Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Choice = tuple[list[str], list[float]]
"""Texts, and where in [0, 1) the interval of each but the last ends."""


class Message(Config):
    """A system message and how often it is given."""

    text: str = Field(description="the message in any language; empty: none is sent")
    shares: dict[str, Share] = Field(
        description="collection -> its share there, relative to the other messages' ('*': every collection that no message "
        "names); 0: it is not given"
    )
    multiple_choice: bool = Field(False, description="only for questions that offer options")


class Messages:
    """Gives every query its message, by a hash of the seed and the query's id: in whatever order and process.

    The shares hold in the collection as a whole, whatever share q of it is multiple-choice: a message for such questions
    alone, of share s, is given to s/q of them, and the others divide what is left in proportion. (If the messages for
    multiple-choice questions want more than there are, they get all of those.) The paper's shares for Flan 2021 at q = 0.625
    make that uniform over messages 3, 4, 7, 8, 10 with options, and over 3, 4, 7 without.

    Args:
        messages: by their ids.
        multiple_choice: q of every collection that will be asked for (:func:`multiple_choice_shares` counts it).
        seed: of the choice.

    Raises:
        UserError: a collection has no message for questions without options.
    """

    def __init__(self, messages: Mapping[str, Message], multiple_choice: Mapping[str, float], seed: int) -> None:
        if problems := gaps(messages, multiple_choice):
            raise UserError("\n".join(problems))
        self._seed = seed
        self._choices = {
            (collection, options): _choice(_weights(messages, collection), messages, q, options)
            for collection, q in multiple_choice.items()
            for options in (False, True)
        }

    def __call__(self, query: Query) -> str:
        """The text of the query's message.

        Raises:
            KeyError: the query's collection was not announced.
        """
        texts, ends = self._choices[query.collection, query.multiple_choice]
        digest = hashlib.blake2b(f"message {self._seed} {query.id}".encode(), digest_size=8).digest()
        return texts[bisect_right(ends, int.from_bytes(digest, "big") / 2**64)]


def gaps(messages: Mapping[str, Message], collections: Iterable[str]) -> list[str]:
    """A line for every collection in which a question without options would find no message."""
    named = {name for message in messages.values() for name in message.shares} - {OTHERS}
    lines = []
    for collection in collections:
        usable = _weights(messages, collection)
        if not any(not messages[name].multiple_choice for name in usable):
            which = "none but for multiple-choice questions" if usable else "none"
            lines.append(
                f"messages: {which} for collection '{collection}'; give one a share of it, e.g. shares: "
                f"{{{collection or OTHERS}: 1}}{did_you_mean(collection, named)}"
            )
    return lines


def multiple_choice_shares(queries: Iterable[Query]) -> dict[str, float]:
    """The share of multiple-choice queries in every collection there is."""
    every: Counter[str] = Counter()
    with_options: Counter[str] = Counter()
    for query in queries:
        every[query.collection] += 1
        with_options[query.collection] += query.multiple_choice
    return {collection: with_options[collection] / count for collection, count in every.items()}


def _weights(messages: Mapping[str, Message], collection: str) -> dict[str, float]:
    """The messages that a collection is given, by id in canonical order, with their shares of it."""
    key = collection if any(collection in message.shares for message in messages.values()) else OTHERS
    given = {name: messages[name].shares.get(key, 0.0) for name in sorted(messages)}
    total = sum(given.values())
    return {name: share / total for name, share in given.items() if share and share / total}


def _choice(shares: Mapping[str, float], messages: Mapping[str, Message], q: float, options: bool) -> _Choice:
    """The messages for questions with options, or for those without, and how likely each of them is."""
    tied = sum(share for name, share in shares.items() if messages[name].multiple_choice)
    free = sum(share for name, share in shares.items() if not messages[name].multiple_choice)
    of_tied = min(1.0, tied / q) if options and q else 0.0
    odds = [
        share / tied * of_tied if messages[name].multiple_choice else share / free * (1 - of_tied)
        for name, share in shares.items()
    ]
    ends = list(accumulate(odd for odd in odds if odd))
    return [messages[name].text for name, odd in zip(shares, odds, strict=True) if odd], ends[:-1]


def letters(text: str) -> str:
    """A message without what copies of it disagree in: all but letters and digits, and their case and form.

    Published copies differ in quotes, dashes, the hyphens of a PDF's line breaks, blanks and line breaks.
    """
    whole = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in whole if unicodedata.category(char)[0] in "LMN")
