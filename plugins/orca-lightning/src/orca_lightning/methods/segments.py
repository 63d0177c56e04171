"""An answer's tokens in steps: cut behind a delimiter, so that methods can weigh one step and not another.

``3 8 1 ; 1 1 ; 2`` has by the delimiter ``;`` the steps ``3 8 1 ;``, `` 1 1 ;`` and `` 2``. What says nothing behind the last of
them, as the end token does, closes the answer.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import takewhile

from orca_core.errors import UserError
from orca_lightning.text.tokenizer import Tokenizer


class Segmenter:
    """Cuts answers into steps.

    A token that holds the end of one step and the beginning of the next (`` The`` behind ``.``) belongs to the next; a delimiter
    with nothing before it but blanks ends no step, so that none is blank.

    Args:
        tokenizer: of the answers.
        delimiter: a regular expression; where it ends, a step ends.

    Raises:
        UserError: it is no regular expression, or matches nothing at all.
    """

    def __init__(self, tokenizer: Tokenizer, delimiter: str) -> None:
        try:
            self.delimiter = re.compile(delimiter)
        except re.error as error:
            raise UserError(f"the delimiter '{delimiter}' is no regular expression: {error}") from None
        if self.delimiter.fullmatch(""):
            raise UserError(f"the delimiter '{delimiter}' matches the empty text: every letter would be a step")
        self._decode = tokenizer.backend_tokenizer.decode

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens say, specials left out."""
        said: str = self._decode(list(tokens), skip_special_tokens=True)
        return said

    def bounds(self, answer: Sequence[int]) -> list[int]:
        """Where each step begins, and where the closing tokens do, ``[steps + 1]``: step j is ``answer[bounds[j]:bounds[j + 1]]``.

        An answer that says nothing has no step: ``[0]``.
        """
        closing = sum(1 for _ in takewhile(lambda token: not self.text([token]).strip(), reversed(answer)))
        said = answer[: len(answer) - closing]
        begun = range(1, self._begun(self.text(said)) + 1)
        places = range(len(said))
        starts = {bisect_left(places, j, key=lambda k: self._begun(self.text(said[: k + 1]))) for j in begun}
        return sorted({0, *starts, len(said)})

    def complete(self, tokens: Sequence[int]) -> bool:
        """Whether a first step has come to its end: what ``rollouts(stop=...)`` asks."""
        return bool(self._ends(self.text(tokens)))

    def _begun(self, text: str) -> int:
        """How many steps have begun behind the first one: ends of steps that something follows."""
        return sum(end < len(text) for end in self._ends(text))

    def _ends(self, text: str) -> list[int]:
        ends, last = list[int](), 0
        for match in self.delimiter.finditer(text):
            if text[last : match.start()].strip():
                ends.append(match.end())
            last = match.end()
        return ends
