"""The sampler ``column-sums``: short sums, which are best answered at once, and long ones, which are best added by columns."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from pydantic import Field

from orca_core import Component, Config, Context, Prompt, Query, Sampler
from orca_core.records import content_id

SHORT: Final = (2, 2)
LONG: Final = (4, 6)
"""Digits of the addends, from and to."""
HELD_OUT_ONE_IN: Final = 4


class ColumnSumsConfig(Config):
    """Short and long sums with gold answers, for the simulated teacher."""

    n: int = Field(600, ge=1, le=2000, description="number of questions, all different")
    long: float = Field(0.6, ge=0, le=1, description="share of long sums")
    held_out: bool = Field(
        False, description="draw those of the fixed quarter that is kept for evaluation; false: the others"
    )


class ColumnSums:
    """Draws sums, the held-out ones and the others apart by a hash of their text."""

    def __init__(self, config: ColumnSumsConfig, context: Context) -> None:
        self.config, self.seed = config, context.seed

    def sample(self) -> Iterator[Prompt]:
        draw, seen = Random(f"column sums {self.seed} {self.config.held_out}"), set[str]()
        while len(seen) < self.config.n:
            is_long = draw.random() < self.config.long
            a, b = (draw.randrange(10 ** (d - 1), 10**d) for d in [draw.randint(*(LONG if is_long else SHORT))] * 2)
            text = f"What is {a} + {b}?"
            held_out = int(content_id(text), 16) % HELD_OUT_ONE_IN == 0
            if text not in seen and held_out == self.config.held_out:
                seen.add(text)
                yield Prompt(Query(text, "long_sums" if is_long else "short_sums", target=str(a + b)))


COLUMN_SUMS: Final = Component[ColumnSumsConfig, Sampler]("column-sums", ColumnSumsConfig, ColumnSums)
