"""The verifier ``chain-steps``: judges a step, not an answer, for what learns step by step."""

from __future__ import annotations

from typing import Final

from orca_core.component import Component, Config
from orca_core.protocols import Verifier
from orca_core.records import Query
from orca_reasoning.chains.task import SEPARATOR, digits_of, valid_steps


class ChainStepsConfig(Config):
    """Whether the last step of an answer to a chain, finished or not, follows from the step before."""


class ChainStepsVerifier:
    """Implements :class:`orca_core.protocols.Verifier`, on answers up to any of their steps."""

    def verify(self, query: Query, text: str) -> bool | None:
        if digits_of(query.text) is None:
            return None
        return valid_steps(query.text, text.strip().removesuffix(SEPARATOR))[-1]


CHAIN_STEPS: Final = Component[ChainStepsConfig, Verifier](
    "chain-steps", ChainStepsConfig, lambda config, context: ChainStepsVerifier()
)
