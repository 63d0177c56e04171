"""A text's words, and hashes of its runs of words: what duplicates and overlap are told by."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_QUOTES: Final = (*map(ord, "'\"`"), 0xAB, 0xB4, 0xBB, *range(0x2018, 0x2020), 0x2032, 0x2033, 0x2039, 0x203A)
_NO_WIDTH: Final = (0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)
_UNSEEN: Final = dict.fromkeys((*_QUOTES, *_NO_WIDTH))
"""An apostrophe, straight or curled, makes no difference, nor does a soft hyphen."""
_WITHOUT_BLANKS: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*"
"""A letter of a script that is written without blanks is a word of its own."""
_WORD: Final = r"[\p{L}\p{M}\p{N}]+"
_SYMBOL: Final = r"[[\p{S}\p{P}]--\p{Terminal_Punctuation}]"
"""Brackets and signs, which a question of arithmetic or of brackets is made of; not ``.,:;!?`` of any script."""
_NUMBER: Final = r"\p{N}+(?:[.:]\p{N}+)*!?(?![\p{L}\p{M}\p{N}])"
"""``1.5`` is not ``1 5``, nor is ``5!`` 5."""
_ASCII: Final = {code: " " for code in range(128) if not chr(code).isalnum()} | {ord(quote): None for quote in "'\"`"}
"""What the patterns make of ASCII without its symbols, at a quarter of their time."""
_MULTIPLIER: Final = 0x9E3779B97F4A7C15


class Shingles(NamedTuple):
    """The shingles of some texts, each text's in the order of its words."""

    hashes: NDArray[np.uint64]
    bounds: NDArray[np.int64]
    """Where each text's begin, and the end: those of text i are ``hashes[bounds[i]:bounds[i + 1]]``."""


def words(text: str, *, symbols: bool = True) -> list[str]:
    """The words of a text in the compatibility form (NFKC) and lower case, whatever blanks and punctuation are between them.

    Args:
        text: any text.
        symbols: whether brackets and signs count as words, and points within numbers, so that ``3 + 4`` differs from ``3 - 4``.
    """
    if not symbols and text.isascii():
        return text.lower().translate(_ASCII).split()
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_UNSEEN)
    return _pattern(symbols).findall(plain)  # type: ignore[no-any-return]


@cache
def _pattern(symbols: bool) -> Any:
    import regex

    return regex.compile("|".join([_NUMBER, _SYMBOL] * symbols + [_WITHOUT_BLANKS, _WORD]), regex.V1)


def shingles(texts: Iterable[Sequence[str]], size: int) -> Shingles:
    """Hashes of every run of ``size`` words, the same in every process; a text of fewer words has none.

    Args:
        texts: the words of each text.
        size: words in a run, 1 or more.
    """
    import numpy as np
    import xxhash

    texts = list(texts)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    encoded = map(str.encode, chain.from_iterable(texts))
    hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, encoded), dtype=np.uint64, count=int(lengths.sum()))
    runs = np.zeros(max(len(hashes) - size + 1, 0), dtype=np.uint64)
    for offset in range(size):
        runs = runs * np.uint64(_MULTIPLIER) + hashes[offset : offset + len(runs)]
    counts = np.maximum(lengths - size + 1, 0)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    starts = np.cumsum(lengths) - lengths
    places = np.repeat(starts - bounds[:-1], counts) + np.arange(bounds[-1])
    return Shingles(runs[places], bounds)
