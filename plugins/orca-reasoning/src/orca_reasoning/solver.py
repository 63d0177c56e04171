"""The teachers ``solver`` (GPT-4's role) and ``solver-brief`` (ChatGPT's): they read a question's text and explain its answer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from orca_core.component import Component, Config, Context
from orca_core.errors import UserError
from orca_core.protocols import Estimate, Responder
from orca_core.records import Prompt, Trace
from orca_core.stats import reservoir
from orca_reasoning.families import FAMILIES, recognise
from orca_reasoning.styles import Style, style_of, write

_ESTIMATED_FROM = 500
"""Prompts that are solved to estimate the tokens of all."""


class SolverConfig(Config):
    """Works out the questions of the sampler `reasoning` and explains in the style the system message asks for."""


class SolverBriefConfig(Config):
    """The same, with explanations of a sentence or two at most."""


class Solver:
    """Answers from the text alone. Tokens are counted as words; an answer costs nothing."""

    def __init__(self, model: str, styles: dict[Style, Style]) -> None:
        self._model, self._styles = model, styles

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            text = self._answer(prompt)
            asked = sum(len(message["content"].split()) for message in prompt.messages)
            yield Trace(
                prompt, text, self._model, prompt_tokens=asked, completion_tokens=len(text.split()), cost_usd=0.0
            )

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """Words asked and answered and the time it takes, from a random sample of the prompts; free."""
        sample, count = reservoir(prompts, _ESTIMATED_FROM)
        scale, start = count / max(1, len(sample)), time.perf_counter()
        traces = list(self.respond(sample))
        hours = (time.perf_counter() - start) * scale / 3600
        asked, answered = sum(t.prompt_tokens or 0 for t in traces), sum(t.completion_tokens or 0 for t in traces)
        return Estimate(count, round(asked * scale), round(answered * scale), 0.0, hours=hours)

    def _answer(self, prompt: Prompt) -> str:
        known = recognise(prompt.query.text)
        if known is None:
            first = next(iter(prompt.query.text.strip().splitlines()), "")
            raise UserError(
                f"teacher {self._model}: no family of questions reads '{first[:120]}'. It answers only {', '.join(FAMILIES)}; "
                "choose the sampler 'reasoning', or another teacher"
            )
        style = style_of(prompt.system)
        return write(known[1], self._styles.get(style, style))


def _solver(config: SolverConfig, context: Context) -> Responder:
    return Solver("solver", {})


def _solver_brief(config: SolverBriefConfig, context: Context) -> Responder:
    return Solver("solver-brief", {"explained": "brief"})


SOLVER: Component[SolverConfig, Responder] = Component("solver", SolverConfig, _solver)
SOLVER_BRIEF: Component[SolverBriefConfig, Responder] = Component("solver-brief", SolverBriefConfig, _solver_brief)
