"""The teacher ``reference``: a data set's own human explanations and gold targets, as they are. No model, no money.

Beside an explaining teacher it is a baseline; with ``style=answer`` it is the control that the paper lacks: the same queries,
the same truth, and nothing explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from pydantic import Field

from orca_core.component import Component, Config, Context
from orca_core.protocols import Estimate, Responder
from orca_core.records import DEAD, Prompt, Query, Trace
from orca_flan.verifier import is_open

Style = Literal["explained", "answer"]
NO_TARGET: Final = "the data set gives no answer to this query"


class ReferenceConfig(Config):
    """Answers with the data set's own explanation and gold target: free, human, and what explanations are compared with."""

    style: Style = Field("explained", description="explained: explanation, then answer; answer: the gold target alone")


class Reference:
    """Answers whatever has a gold target. Tokens are counted as words; an answer costs nothing."""

    def __init__(self, style: Style) -> None:
        self._write = explained if style == "explained" else answer
        self._model = "reference" if style == "explained" else f"reference-{style}"

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            if prompt.query.target is None:
                yield Trace(prompt, "", self._model, finish_reason=DEAD, error=NO_TARGET)
                continue
            text = self._write(prompt.query, prompt.query.target)
            asked, answered = _asked(prompt), len(text.split())
            yield Trace(prompt, text, self._model, prompt_tokens=asked, completion_tokens=answered, cost_usd=0.0)

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """Words asked and answered: exact, as every answer is written; and how many queries have none."""
        asked = answered = count = dead = 0
        for trace in self.respond(prompts):
            count += 1
            dead += trace.finish_reason == DEAD
            asked += trace.prompt_tokens or 0
            answered += trace.completion_tokens or 0
        notes = (f"{dead:,} of the queries have no gold target: dead letters",) if dead else ()
        return Estimate(count, asked, answered, 0.0, hours=0.0, notes=notes)


def explained(query: Query, target: str) -> str:
    """The data set's explanation, if it has one, and a closing sentence with the answer."""
    explanation, target = str(query.meta.get("explanation", "")).strip(), target.strip()
    if is_open(target, ()):
        return f"{explanation}\n\nMy answer:\n{target}" if explanation else target
    closing = f"The answer is {target}" if target.endswith((".", "!", "?")) else f"The answer is {target}."
    return f"{explanation}\n\n{closing}" if explanation else closing


def answer(query: Query, target: str) -> str:
    """The gold target and nothing else."""
    return target.strip()


def _asked(prompt: Prompt) -> int:
    return sum(len(message["content"].split()) for message in prompt.messages)


def _build(config: ReferenceConfig, context: Context) -> Responder:
    return Reference(config.style)


REFERENCE: Final = Component[ReferenceConfig, Responder]("reference", ReferenceConfig, _build)
