"""The sampler ``paired``: what any other sampler draws, with system messages of your own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from orca_core.component import Component, Config, Context, part
from orca_core.messages import Message, Messages, letters, multiple_choice_shares
from orca_core.protocols import HasPools, Sampler
from orca_core.records import Prompt


class PairedConfig(Config):
    """The queries that another sampler draws, each paired with one of these system messages."""

    of: Any = part("sampler", description="the sampler to draw from")
    messages: dict[str, Message] = Field(
        min_length=1, description="the system messages by id; +system_messages@sampler.messages=orca gives the sixteen"
    )
    message: Literal["drawn", "own"] = Field(
        "drawn",
        description="drawn: one of these by its share; own: what the row itself carries, in the spelling of the one among "
        "these that it is a copy of",
    )


class PairedSampler:
    """Draws, where shares are to be met, twice: first to count how many questions of a collection are multiple-choice."""

    def __init__(self, config: PairedConfig, draw: Callable[[], Sampler], seed: int) -> None:
        self.config, self.draw, self.seed = config, draw, seed
        self._drawn: Sampler | None = None

    def sample(self) -> Iterator[Prompt]:
        message = self._own() if self.config.message == "own" else self._by_share()
        self._drawn = self.draw()
        for prompt in self._drawn.sample():
            yield replace(prompt, system=message(prompt))

    def _by_share(self) -> Callable[[Prompt], str]:
        counted = multiple_choice_shares(prompt.query for prompt in self.draw().sample())
        messages = Messages(self.config.messages, counted, self.seed)
        return lambda prompt: messages(prompt.query)

    def _own(self) -> Callable[[Prompt], str]:
        texts = {letters(message.text): message.text for message in self.config.messages.values()}
        return lambda prompt: texts.get(letters(prompt.system), prompt.system)

    def pools(self) -> Mapping[str, Mapping[str, int]]:
        """What the other sampler drew from."""
        return self._drawn.pools() if isinstance(self._drawn, HasPools) else {}


def _build(config: PairedConfig, context: Context) -> Sampler:
    return PairedSampler(config, lambda: context.make("sampler", config.of), context.seed)


PAIRED = Component[PairedConfig, Sampler]("paired", PairedConfig, _build)
