"""The teacher ``scalelogic``: reads a problem's text, proves the statement that follows, and explains by the proof."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from orca_core.component import Component, Config, Context
from orca_core.errors import UserError
from orca_core.protocols import Estimate, Responder
from orca_core.records import Prompt, Trace
from orca_core.stats import reservoir
from orca_scalelogic.styles import response, style_of
from orca_scalelogic.wording import read_problem

_ESTIMATED_FROM = 200
"""Prompts that are solved to estimate the tokens of all."""


class ScaleLogicTeacherConfig(Config):
    """Proves the statement that follows, a line for every derived one (sampler `scalelogic`)."""


class ScaleLogicTeacher:
    """Answers from the text alone. Tokens are counted as words; an answer costs nothing."""

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt, in order.

        Raises:
            UserError: a question is not one of ours, or none of its statements can be proved.
        """
        for prompt in prompts:
            text = solve(prompt.query.text, prompt.system)
            asked = sum(len(message["content"].split()) for message in prompt.messages)
            answered = len(text.split())
            yield Trace(prompt, text, "scalelogic", prompt_tokens=asked, completion_tokens=answered, cost_usd=0.0)

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """Words asked and answered and the time it takes, from a random sample of the prompts; free."""
        sample, count = reservoir(prompts, _ESTIMATED_FROM)
        scale, start = count / max(1, len(sample)), time.perf_counter()
        traces = list(self.respond(sample))
        hours = (time.perf_counter() - start) * scale / 3600
        asked, answered = sum(t.prompt_tokens or 0 for t in traces), sum(t.completion_tokens or 0 for t in traces)
        return Estimate(count, round(asked * scale), round(answered * scale), 0.0, hours=hours)


def solve(question: str, system: str) -> str:
    """The response to a question under a system message."""
    read = read_problem(question)
    first = next(iter(question.strip().splitlines()), "")[:120]
    if read is None:
        raise UserError(
            f"teacher scalelogic: '{first}' is no problem in the form of the sampler 'scalelogic', which is all that it "
            "answers; choose that sampler, or another teacher"
        )
    if (text := response(*read, style_of(system))) is None:
        raise UserError(f"teacher scalelogic: '{first}': none of the statements can be proved from the facts")
    return text


def _build(config: ScaleLogicTeacherConfig, context: Context) -> Responder:
    return ScaleLogicTeacher()


TEACHER: Final = Component[ScaleLogicTeacherConfig, Responder]("scalelogic", ScaleLogicTeacherConfig, _build)
