"""What is asked for: a proof, the answer alone, or the facts once more; and the teacher's response to it."""

from __future__ import annotations

from random import Random
from typing import Final
from typing import Literal as OneOf

from orca_scalelogic.logic import Problem
from orca_scalelogic.proofs import prove
from orca_scalelogic.wording import Wording

Style = OneOf["explained", "answer", "recited"]
MESSAGES: Final[dict[Style, str]] = {
    "explained": "Think step by step and justify your answer.",
    "answer": "Give only the answer.",
    "recited": "Repeat the facts in another order.",
}
_TERSE: Final = ("only the answer", "just the answer", "answer only", "no explanation", "without explanation")


def style_of(system: str) -> Style:
    """What a system message asks for; an explanation, if it asks for nothing else."""
    message = " ".join(system.casefold().split())
    if "repeat the facts" in message:
        return "recited"
    return "answer" if any(cue in message for cue in _TERSE) else "explained"


def response(problem: Problem, wording: Wording, style: Style) -> str | None:
    """The proof and the answer block, or the block alone, or the axioms in an order of their own; None: nothing is provable."""
    if style == "recited":
        axioms = [*map(wording.rule, problem.axioms)]
        Random(wording.problem(problem)).shuffle(axioms)
        return " ".join(["Facts:", *axioms])
    if (proved := prove(problem)) is None:
        return None
    gold, steps = proved
    derived = [step for step in steps if step.kind != "fact"]
    return "\n".join([*([wording.proof(derived)] if style == "explained" else []), wording.answer(gold)])
