"""The answer block: how a response states its answer, and the released reward for it."""

from __future__ import annotations

import re
from typing import Final

_ANSWER: Final = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def stated(response: str) -> str | None:
    """What a response states in its only answer block; None if it has none or several (the released reward's condition)."""
    found = _ANSWER.findall(response)
    if len(found) != 1 or response.count("<answer>") != 1 or response.count("</answer>") != 1:
        return None
    return " ".join(found[0].split()).rstrip(".").casefold() or None


def rewarded(response: str, target: str) -> bool:
    """The released reward: exactly one well-formed answer block, and its text is the gold statement's."""
    return stated(response) == " ".join(target.split()).casefold()
