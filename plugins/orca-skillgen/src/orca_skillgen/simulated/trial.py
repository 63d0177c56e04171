"""How often useless skills pass a gate: ``python -m orca_skillgen.simulated.trial``.

Every draw has a simulated teacher, questions and random skills of its own, and goes through the whole of learning.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orca_core import Context
from orca_core.component import no_progress
from orca_core.stats import wilson
from orca_core.verify import AnswerVerifier, Judge
from orca_skillgen.config import SkilledConfig
from orca_skillgen.learning import Learning, Lesson
from orca_skillgen.simulated.adder import HastyAdder, HastyAdderConfig
from orca_skillgen.simulated.placebo import PlaceboConfig, PlaceboWriter
from orca_skillgen.simulated.sums import ColumnSums, ColumnSumsConfig


def lessons(draws: int, **settings: Any) -> Iterator[Lesson]:
    """What came of learning with a placebo writer, under these settings of ``skilled``."""
    config = SkilledConfig.model_validate({"of": {}, "train": {}, **settings})
    judge = Judge(lambda name: AnswerVerifier())
    for seed in range(draws):
        context = Context(seed, Path(), _no_parts, no_progress)
        teacher = HastyAdder(HastyAdderConfig.model_validate({"luck": seed}), context)
        writer = PlaceboWriter(PlaceboConfig.model_validate({}), context)
        questions = ColumnSums(ColumnSumsConfig.model_validate({"n": config.questions}), context).sample()
        yield Learning(config, teacher, writer, judge, seed).learn(questions)


def _no_parts(kind: str, node: Any) -> Any:
    raise AssertionError("a simulated part builds no others")


def main() -> None:
    """Print, for each gate, how many of the draws let a placebo pass."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4, help="placebos that each draw tries at most")
    options = parser.parse_args()
    for gate in ("released", "exact"):
        passed = sum(lesson.skill is not None for lesson in lessons(options.draws, gate=gate, rounds=options.rounds))
        low, high = (f"{bound:.1%}" for bound in wilson(passed, options.draws))
        print(f"gate={gate}: {passed} of {options.draws} placebos pass ({passed / options.draws:.1%}, {low} to {high})")


if __name__ == "__main__":
    main()
