"""How an answer is written: the system messages that ask for it, and the proof as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from typing import Literal as OneOf

from orca_scalelogic.logic import Literal
from orca_scalelogic.proofs import Clause, Step
from orca_scalelogic.wording import answer_text, literal_text

Style = OneOf["explained", "answer"]
MESSAGES: Final[dict[Style, str]] = {
    "explained": "Think step by step and justify your answer.",
    "answer": "Give only the answer.",
}
_TERSE: Final = ("only the answer", "just the answer", "answer only", "no explanation", "without explanation")


def style_of(system: str) -> Style:
    """What a system message asks for; an explanation, if it does not forbid one."""
    message = " ".join(system.casefold().split())
    return "answer" if any(cue in message for cue in _TERSE) else "explained"


def response(gold: Literal, steps: Sequence[Step], style: Style) -> str:
    """The proof, a derived statement a line, and the answer block; facts are cited where they are used."""
    lines = [line_of(step) for step in steps if step.kind != "fact"] if style == "explained" else []
    return "\n".join([*lines, answer_text(gold)])


def line_of(step: Step) -> str:
    """A step as a sentence that names what it uses and ends in what it derives."""
    first, *rest = map(_clause_text, step.sources)
    derived = _clause_text(step.clause)
    if step.kind == "refuted":
        return f"{first}, but {rest[0]}, so {derived}."
    if step.kind == "cases":
        return f"{' and '.join([first, *rest])}, so either way {derived}."
    return f"{' and '.join([first, *rest])}, so {derived}."


def _clause_text(clause: Clause) -> str:
    return " or ".join(map(literal_text, clause))
