"""Answers that refuse the task or speak of the model instead of the question, told by rules that are data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

from orca_core import Component, Config, Selector, Trace
from orca_core.errors import did_you_mean
from orca_curation.rules import Rule, Rules, read_rules

SHIPPED: Final = Path(__file__).with_name("refusals.yaml")


class RefusalsConfig(Config):
    """Drops answers that refuse, speak of the model or ask back, by rules that are data (refusals.yaml)."""

    rules: Path | None = Field(
        None, description="a YAML file of your own rules beside the shipped ones; one of the same id replaces it"
    )
    extra: dict[str, Rule] = Field(
        default_factory=dict, description="further rules by id, e.g. {no-math: {phrases: [I am bad at maths]}}"
    )
    off: tuple[str, ...] = Field((), description="ids of the rules that are not applied")

    @model_validator(mode="after")
    def _names_rules(self) -> RefusalsConfig:
        known = self._all()
        for name in self.off:
            if name not in known:
                raise ValueError(f"off: no rule is called '{name}'{did_you_mean(name, known)}")
        return self

    def _all(self) -> dict[str, Rule]:
        return _shipped() | (read_rules(self.rules) if self.rules else {}) | self.extra

    @property
    def chosen(self) -> dict[str, Rule]:
        """The rules that are applied, in their order."""
        return {name: rule for name, rule in self._all().items() if name not in self.off}


class RefusalsSelector:
    """Drops the answers that break a rule, under the rule's id."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for trace in traces:
            yield trace, self.rules.broken(trace)


@cache
def _shipped() -> dict[str, Rule]:
    return read_rules(SHIPPED)


# the version stands for refusals.yaml, which is in no cache key: raise it with every change of the rules
REFUSALS: Final = Component[RefusalsConfig, Selector](
    "refusals", RefusalsConfig, lambda config, context: RefusalsSelector(Rules(config.chosen))
)
