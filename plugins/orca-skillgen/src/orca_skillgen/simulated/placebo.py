"""The writer ``skill-placebo``: skills that say nothing to the purpose, for random questions. A gate must refuse them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from pydantic import Field

from orca_core import Component, Context, Responder
from orca_skillgen.induction import Case
from orca_skillgen.rules import OfflineWriter, RulesConfig
from orca_skillgen.writing import MOST_HYPOTHESES, Hypothesis

ADVICE: Final = (
    "Be friendly",
    "Keep a calm tone",
    "Begin with a greeting",
    "Think of the reader",
    "Write in plain English",
    "Be confident",
    "Take pride in your work",
    "Stay polite",
)
CONDITIONS: Final = ("always", "digits >= 2", "digits >= 4", "digits <= 5", "words <= 6", "numbers >= 2")


class PlaceboConfig(RulesConfig):
    """Writes skills of random advice that has nothing to do with the questions."""

    draw: int = Field(0, ge=0, description="which random skills")


class PlaceboWriter(OfflineWriter):
    """Draws its hypotheses without a look at the cases."""

    name = "skill-placebo"

    def __init__(self, config: PlaceboConfig, context: Context) -> None:
        super().__init__(config)
        self.random = Random(f"placebo {config.draw} {context.seed}")

    def hypotheses(self, cases: Sequence[Case]) -> list[Hypothesis]:
        chosen = self.random.sample(ADVICE, MOST_HYPOTHESES)
        return [Hypothesis(self.random.choice(CONDITIONS), f"{advice}.", "") for advice in chosen]


PLACEBO: Final = Component[PlaceboConfig, Responder]("skill-placebo", PlaceboConfig, PlaceboWriter)
