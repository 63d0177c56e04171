"""The simulated teacher ``hasty-adder``.

It knows two procedures and, left to itself, mostly chooses the wrong one for long sums:

==============  ===========  ==========
is right with   short sums   long sums
==============  ===========  ==========
at once         0.97         0.35
by columns      0.70         0.97
==============  ===========  ==========

Without instruction it adds by columns with probability 0.3, whatever the sum. It obeys advice that names columns: a line of
the system message that says "column" makes it add by columns, one that says not to makes it answer at once. It reads nothing
else. Its luck is drawn anew for every system message, as a model's answer at temperature 0 changes with every word of its
prompt: so a message without a bearing on the procedure changes which answers are wrong, and not how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from random import Random
from typing import Final, Literal

from pydantic import Field

from orca_core import Component, Config, Context, Prompt, Responder, Trace, UserError

Way = Literal["at once", "by columns"]
RIGHT: Final[dict[tuple[Way, bool], float]] = {
    ("at once", False): 0.97,
    ("at once", True): 0.35,
    ("by columns", False): 0.70,
    ("by columns", True): 0.97,
}
"""Probability of a right answer by procedure and whether the sum is long."""
HABIT: Final = 0.3
LONG_FROM: Final = 3
_SUM: Final = re.compile(r"(\d+) \+ (\d+)")
_NOT: Final = re.compile(r"\b(?:not|never|avoid)\b", re.IGNORECASE)


class HastyAdderConfig(Config):
    """A simulated teacher that is hasty with long sums; it obeys a system message that speaks of columns."""

    luck: int = Field(0, ge=0, description="of its slips: another number gives another teacher of the same kind")


class HastyAdder:
    """Answers `column-sums`. Free and quick."""

    def __init__(self, config: HastyAdderConfig, context: Context) -> None:
        self.luck = config.luck

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """The answers.

        Raises:
            UserError: a question is no sum.
        """
        for prompt in prompts:
            match = _SUM.search(prompt.query.text)
            if match is None:
                raise UserError(
                    f"teacher 'hasty-adder': no sum in {prompt.query.text[:80]!r}; sample from 'column-sums', or ask another"
                )
            yield Trace(prompt, self._answer(prompt, match[1], match[2]), model="hasty-adder", cost_usd=0.0)

    def _answer(self, prompt: Prompt, a: str, b: str) -> str:
        draw = Random(f"{self.luck} {prompt.id}")
        habit: Way = "by columns" if draw.random() < HABIT else "at once"
        way = advised(prompt.system) or habit
        total = int(a) + int(b)
        if draw.random() >= RIGHT[way, len(a) >= LONG_FROM]:
            total += draw.choice((-10, 10, -1, 1)) if total > 10 else 1
        if way == "at once":
            return f"That is quickly seen. The answer is {total}."
        columns = "; ".join(f"column {i}: {x} + {y}" for i, (x, y) in enumerate(zip(a[::-1], b[::-1], strict=True), 1))
        return f"I add column by column and note each carry. {columns}. The answer is {total}."


def advised(system: str) -> Way | None:
    """The procedure that a system message advises, by its last line on columns; None: it says nothing about them."""
    lines = [line for line in system.casefold().splitlines() if "column" in line]
    return None if not lines else "at once" if _NOT.search(lines[-1]) else "by columns"


HASTY_ADDER: Final = Component[HastyAdderConfig, Responder]("hasty-adder", HastyAdderConfig, HastyAdder)
