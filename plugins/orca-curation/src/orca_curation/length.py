"""Bounds on the length of answers and prompts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from pydantic import Field, model_validator

from orca_core import Component, Config, Prompt, Selector, Trace


class Bounds(Config):
    """The lengths that are kept, both ends included."""

    min: Annotated[int | None, Field(ge=0, description="shortest that is kept; null: no bound")] = None
    max: Annotated[int | None, Field(ge=1, description="longest that is kept; null: no bound")] = None

    @model_validator(mode="after")
    def _are_in_order(self) -> Bounds:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self

    def misses(self, length: int | None) -> str | None:
        """Whether a length is too ``short`` or too ``long``; one that is not known is neither."""
        if length is None:
            return None
        if self.min is not None and length < self.min:
            return "short"
        return "long" if self.max is not None and length > self.max else None


class LengthConfig(Config):
    """Keeps answers and prompts within bounds, in characters, words or tokens; OpenOrca's 10 characters if nothing is said."""

    answer_chars: Bounds = Field(Bounds(min=10), description="characters of the answer, outer blanks left out")
    answer_words: Bounds = Field(Bounds(), description="words of the answer, told apart by blanks")
    answer_tokens: Bounds = Field(
        Bounds(), description="tokens of the answer as its teacher counted them, where it did"
    )
    prompt_chars: Bounds = Field(Bounds(), description="characters of system message and query")
    prompt_tokens: Bounds = Field(
        Bounds(), description="tokens of the prompt as the teacher counted them, where it did"
    )
    short_without_message: bool = Field(
        True, description="under the empty system message no answer is too short: nothing asks for a long one"
    )


class LengthSelector:
    """Drops prompts and answers outside the bounds."""

    def __init__(self, config: LengthConfig) -> None:
        self.config = config

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for trace in traces:
            yield trace, self._prompt(trace) or self._answer(trace)

    def _prompt(self, trace: Trace) -> str | None:
        chars = _chars(trace.prompt)
        missed = self.config.prompt_chars.misses(chars) or self.config.prompt_tokens.misses(trace.prompt_tokens)
        return f"prompt too {missed}" if missed else None

    def _answer(self, trace: Trace) -> str | None:
        text, config = trace.text.strip(), self.config
        missed = [config.answer_chars.misses(len(text)), config.answer_tokens.misses(trace.completion_tokens)]
        if config.answer_words != Bounds():  # splitting is the dear part
            missed.append(config.answer_words.misses(len(text.split())))
        if "long" in missed:
            return "answer too long"
        may_be_short = config.short_without_message and not trace.prompt.system
        return "answer too short" if "short" in missed and not may_be_short else None


def _chars(prompt: Prompt) -> int:
    return len(prompt.system) + len(prompt.query.text)


LENGTH: Final = Component[LengthConfig, Selector](
    "length", LengthConfig, lambda config, context: LengthSelector(config)
)
