"""What a scoring will ask, said before: the reference's answers that are not there yet, and every judge's replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from orca_core import Estimate, Prompt, Responder, Trace
from orca_core.protocols import Estimates

STAND_IN_TOKENS: Final = 300
"""Length of an answer that is not there yet: about that of an explanation."""
Ask = Callable[[Prompt, str, str | None], list[Prompt]]


def estimate(
    answers: Iterable[Prompt | Trace], reference: Responder | None, judges: Sequence[Responder], ask: Ask
) -> Estimate:
    """What judging these answers will take; asks nobody.

    Answers that are not there yet are as long as the reference's where these are known, else of 300 tokens.

    Args:
        answers: the subject's, or the prompts of those that are not there yet.
        reference: None where answers are graded by themselves.
        judges: who judges.
        ask: what a judge is asked of a prompt's answer and the reference's.
    """
    known = list(answers)
    prompts = [answer.prompt if isinstance(answer, Trace) else answer for answer in known]
    before = [] if reference is None else [_of(reference, prompts)]
    texts = _texts(reference, prompts, before)
    shown: dict[str, Prompt] = {}
    for answer, prompt in zip(known, prompts, strict=True):
        beside = None if reference is None else texts.get(prompt.id) or stand_in(prompt, "reference")
        text = answer.text if isinstance(answer, Trace) else stand_in(prompt, "candidate", texts.get(prompt.id))
        shown |= {wanted.id: wanted for wanted in ask(prompt, text, beside)}
    parts = [*before, *(_of(judge, list(shown.values())) for judge in judges)]
    notes = [note for part in parts for note in part.notes]
    if not all(isinstance(answer, Trace) for answer in known):
        length = "as long as the reference's" if texts else f"taken to be of {STAND_IN_TOKENS} tokens, a guess"
        notes.append(f"judging: answers that are not there yet are {length}")
    notes.append("judging: a reply that cannot be read is asked for once more, on top of this")
    return replace(Estimate.total(parts), notes=tuple(dict.fromkeys(notes)))


def stand_in(prompt: Prompt, whose: str, like: str | None = None) -> str:
    """A text of a likely length, no two the same: about as long as the one that it is ``like``, or of 300 tokens."""
    return f"{whose} {prompt.id} " + ("word " * STAND_IN_TOKENS if like is None else like)


def _texts(reference: Responder | None, prompts: Sequence[Prompt], before: Sequence[Estimate]) -> dict[str, str]:
    """The reference's answers by prompt id, if it need ask nobody for them."""
    if reference is None or before[0].prompts or not isinstance(reference, Estimates):
        return {}
    return {trace.prompt.id: trace.text for trace in reference.respond(prompts)}


def _of(responder: Responder, prompts: Sequence[Prompt]) -> Estimate:
    return responder.estimate(prompts) if isinstance(responder, Estimates) else Estimate(len(prompts))
