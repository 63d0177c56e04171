"""The verifier ``reasoning``: an answer's verdict by the rules of its family, which the evaluator scores by too."""

from __future__ import annotations

from typing import Final

from orca_core.component import Component, Config
from orca_core.protocols import Verifier
from orca_core.records import Query
from orca_reasoning.families import FAMILIES


class ReasoningVerifierConfig(Config):
    """Reads the answer as the question's family writes it and holds it against the gold target."""


class ReasoningVerifier:
    """Knows the families' ways to state an answer."""

    def verify(self, query: Query, text: str) -> bool | None:
        return None if query.target is None else FAMILIES[query.task].verify(query.text, text, query.target)


VERIFIER: Final = Component[ReasoningVerifierConfig, Verifier](
    "reasoning", ReasoningVerifierConfig, lambda config, context: ReasoningVerifier()
)
