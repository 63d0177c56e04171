"""What a step of the teacher counts, out of its validity and that of the student's own next step at the same prefix.

``teacher [steps]`` and ``student [steps]`` are validities in [0, 1], NaN where nobody could tell. A weight is a constant.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from orca_vcrd.config import VcrdConfig

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
VALID = 0.5
"""From here on a step is valid, where that is a yes or no."""


def step_weights(teacher: Floats, student: Floats, *, beta: float, gamma: float, clip: tuple[float, float]) -> Floats:
    """``clip(vT^gamma * 2 sigmoid(beta (vT - vS)))``, ``[steps]``.

    Where the student's validity is not known there is no difference; where the teacher's is not, the weight is 1.
    """
    difference = np.where(np.isnan(student), 0.0, teacher - student)
    weights = teacher**gamma * 2 / (1 + np.exp(-beta * difference))
    return np.where(np.isnan(teacher), 1.0, np.clip(weights, *clip))


def weights_of(
    config: VcrdConfig, teacher: Floats, student: Floats, owner: Ints, answers: int
) -> tuple[Floats, Floats]:
    """The weights of steps, ``[steps]``, and of what closes each answer, ``[answers]``, by the objective.

    Args:
        config: names objective and constants.
        teacher: see above.
        student: see above.
        owner: the number of the answer that each step belongs to, ``[steps]``.
        answers: how many there are.
    """
    closing = np.ones(answers)
    if config.objective == "vcrd":
        told = {"beta": config.beta, "gamma": config.gamma}
        return step_weights(teacher, student, **told, clip=config.weight_clip), closing
    kept = ~(teacher < VALID)  # what nobody could judge is kept
    if config.objective == "steps":
        return kept.astype(np.float64), closing
    closing[owner[~kept]] = 0.0
    return closing[owner], closing


def figures(teacher: Floats, student: Floats) -> dict[str, float]:
    """What is told of a round: mean validities and how they compare, over the steps of which it is known; 0 where of none."""

    def mean(values: npt.NDArray[np.generic], known: npt.NDArray[np.bool_]) -> float:
        return float(values[known].astype(np.float64).mean()) if known.any() else 0.0

    judged, both = ~np.isnan(teacher), ~np.isnan(teacher) & ~np.isnan(student)
    return {
        "teacher_valid": mean(teacher, judged),
        "student_valid": mean(student, both),
        "teacher_behind": mean(teacher < student, both),
        "both_invalid": mean((teacher < VALID) & (student < VALID), both),
        "proposed": mean(~np.isnan(student), judged),
        "unjudged": float((~judged).mean()) if len(judged) else 0.0,
    }
