"""The curriculum over depth (arXiv 2605.06638; its released settings): only problems up to a depth, which grows.

Released: the upper depth starts at 6 and grows by 2 whenever training accuracy within it reaches 0.7.
"""

from __future__ import annotations

from typing import Final

PASSED: Final = 0.7
"""Training accuracy at which the released curriculum goes on."""


def next_upper(upper: int, accuracy: float, *, step: int, greatest: int) -> int:
    """The upper depth after training accuracy was measured on depths up to ``upper``."""
    return min(upper + step, greatest) if accuracy >= PASSED else upper


def uppers(start: int, step: int, greatest: int) -> tuple[int, ...]:
    """The upper depths of a learner that always passes: the stages, when nobody measures in between."""
    stages = [min(start, greatest)]
    while stages[-1] < greatest:
        stages.append(next_upper(stages[-1], 1.0, step=step, greatest=greatest))
    return tuple(stages)
