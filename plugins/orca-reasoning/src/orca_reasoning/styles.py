"""How an answer is written: the system messages that ask for a style, and how a style is recognised in any message."""

from __future__ import annotations

from typing import Literal

from orca_reasoning.families import Solution, final_sentence

Style = Literal["answer", "brief", "explained"]
Asked = Literal["answer", "brief", "explained", "empty"]
"""What a prompt can ask for: a style, or nothing (the empty system message)."""

MESSAGES: dict[Asked, str] = {
    "answer": "Give only the answer.",
    "brief": "Answer with a brief reason.",
    "explained": "Think step by step and justify your answer.",
    "empty": "",
}
"""The system message for each style. Short: a student reads it with every example."""

# In this order: "Answer in one short sentence, step by step" asks for steps. Our own messages are read by the same cues.
_CUES: tuple[tuple[Style, tuple[str, ...]], ...] = (
    (
        "answer",
        ("only the answer", "just the answer", "answer only", "only answer", "no explanation", "without explanation"),
    ),
    ("explained", ("step", "justif", "detail", "explain")),
    ("brief", ("brief", "concise", "short", "sentence")),
)


def style_of(system: str) -> Style:
    """The style that a system message asks for; explained if it is empty or says nothing about it."""
    message = " ".join(system.casefold().split())
    return next((style for style, cues in _CUES if any(cue in message for cue in cues)), "explained")


def write(solution: Solution, style: Style) -> str:
    """A solution in a style. Every style ends in the same sentence."""
    reasons = {"answer": (), "brief": (solution.brief,), "explained": solution.steps}[style]
    return " ".join([*reasons, final_sentence(solution.answer)])
