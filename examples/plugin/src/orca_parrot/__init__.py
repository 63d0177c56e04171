"""orca-parrot: a teacher that repeats the gold answer of the data, without a word of explanation.

Not only an example: training on it is the instruction tuning that explanation tuning is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from orca_core import Component, Config, Context, Prompt, Responder, Trace, UserError, hookimpl


class ParrotConfig(Config):
    """Repeats each question's gold answer, as instruction tuning without explanations does."""

    template: str = Field("{target}", pattern=r"\{target\}", description="the whole answer, around {target}")


class Parrot:
    """Answers every prompt with its query's target."""

    def __init__(self, config: ParrotConfig) -> None:
        self.config = config

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt, in order.

        Raises:
            UserError: a query has no target.
        """
        for prompt in prompts:
            if prompt.query.target is None:
                raise UserError(
                    f"query {prompt.query.id} of task '{prompt.query.task}' has no target; sample from data with gold answers"
                )
            yield Trace(prompt, text=self.config.template.replace("{target}", prompt.query.target), model="parrot")


def build(config: ParrotConfig, context: Context) -> Responder:
    """A parrot needs nothing from its context."""
    return Parrot(config)


PARROT = Component("parrot", ParrotConfig, build)


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The teacher ``parrot``."""
    return [PARROT]
