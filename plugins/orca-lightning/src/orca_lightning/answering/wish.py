"""How a prompt's answer is to be written: the student's settings and what the prompt demands over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orca_lightning.answering.decoding import Decoding
from orca_lightning.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Wish:
    """Tokens are chosen by ``decoding``; the text ends before the first of the strings ``stop``."""

    decoding: Decoding
    stop: tuple[str, ...] = ()

    def stopped(self, tokenizer: Tokenizer) -> Callable[[int, Sequence[int]], bool] | None:
        """Tells of the tokens so far whether a stop string is whole; None: there are no such strings."""
        if not self.stop:
            return None
        # a token is at least a byte of text; some more, as the first of a text may lose the blank before it
        tail = max(len(stop.encode()) for stop in self.stop) + 4

        def check(number: int, tokens: Sequence[int]) -> bool:
            return self.stops(tokenizer.decode(list(tokens[-tail:]), skip_special_tokens=True))

        return check

    def stops(self, text: str) -> bool:
        """Whether a stop string is in the text."""
        return any(stop in text for stop in self.stop)

    def cut(self, text: str) -> str:
        """The text before the first stop string."""
        return text[: min([at for stop in self.stop if (at := text.find(stop)) >= 0], default=len(text))]

    @property
    def told(self) -> dict[str, Any]:
        """For the trace."""
        decoding = self.decoding
        told = {"temperature": decoding.temperature, "top_p": decoding.top_p, "max_new_tokens": decoding.max_new_tokens}
        return told | ({"stop": list(self.stop)} if self.stop else {})
