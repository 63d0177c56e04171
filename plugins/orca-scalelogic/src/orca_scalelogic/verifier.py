"""The verifier ``scalelogic``: the released reward as a verdict."""

from __future__ import annotations

from typing import Final

from orca_core.component import Component, Config
from orca_core.protocols import Verifier
from orca_core.records import Query
from orca_scalelogic.answers import rewarded


class ScaleLogicVerifierConfig(Config):
    """One answer block alone, and its text is the statement that follows."""


class ScaleLogicVerifier:
    """The reward of arXiv 2605.06638's released code: 1 for exactly one well-formed block with the gold text, else 0."""

    def verify(self, query: Query, text: str) -> bool | None:
        return None if query.target is None else rewarded(text, query.target)


VERIFIER: Final = Component[ScaleLogicVerifierConfig, Verifier](
    "scalelogic", ScaleLogicVerifierConfig, lambda config, context: ScaleLogicVerifier()
)
