"""The teacher: starts the server for the first prompt without an answer, and asks it through the teacher ``litellm``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

from orca_core import Context, Estimate, Prompt, Trace
from orca_smollm2 import SmolLM2Config
from orca_smollm2.server import MODEL, check_installed, server

NOWHERE: Final = "http://127.0.0.1:9"
"""The discard port: where a teacher would ask that only reads the log."""
WINDOW: Final = 256
"""Prompts that are looked up together before a server is started."""


class SmolLM2Teacher:
    """Implements :class:`orca_core.protocols.Responder`, ``Estimates`` and ``KeepsLog``.

    Raises:
        UserError: a package is missing.
    """

    keeps_answers = True

    def __init__(self, config: SmolLM2Config, context: Context) -> None:
        check_installed()
        self._config, self._context = config, context
        self._reader = self._asking(NOWHERE)

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """See the protocol. As long as all answers are in the log, no server is started.

        Raises:
            UserError: the server does not start, or prompts ask for likelihoods of choices.
        """
        source = iter(prompts)
        while window := list(islice(source, WINDOW)):
            if next(self.pending(window), None) is not None:
                url = server(self._config.slots, self._config.threads).url
                yield from self._asking(url).respond(chain(window, source))
                return
            yield from self._reader.respond(window)

    def pending(self, prompts: Iterable[Prompt]) -> Iterator[Prompt]:
        """The prompts that the log holds no answer to; see the protocol."""
        yield from self._reader.pending(prompts)

    def estimate(self, prompts: Sequence[Prompt]) -> Estimate:
        """Tokens of the prompts that have no answer yet; the money is 0."""
        estimate: Estimate = self._reader.estimate(prompts)
        return estimate

    def _asking(self, url: str) -> Any:
        config = self._config
        node = {
            "name": "litellm",
            "model": f"openai/{MODEL}",
            "api_base": f"{url}/v1",
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_tokens": config.max_tokens,
            "seed": config.seed,
            "workers": 2 * config.slots,  # one waits while one is answered
            "price": {"prompt": 0, "completion": 0},
        }
        return self._context.make("teacher", node)
