"""The screen ``overlap``: drawn queries that are among the questions which the run's evaluators ask, by their text or their task.

By text, as for GPT-3 (arXiv 2005.14165, appendix C), without case and punctuation:

- *exact*: the query is a question, or has a whole one in it;
- *13-gram*: they have 13 words in a row in common;
- *fuzzy*: the query has 80 % of the words that set a question apart, in runs of three. It is the share of the question that
  counts, not of the query: instructions around a question make it no other question. A question whose options stand in
  another order is found by what is before them.

What more than ten questions of a task have in common, numbers and single letters set nothing apart; a question with fewer than
8 words of its own (brackets to close, a sum) is only found as a whole.

By task: ``known_overlaps.yaml``. A benchmark that no evaluator of the run asks is reported, but nothing is dropped for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from orca_core.component import Component, Config
from orca_core.errors import UserError, did_you_mean
from orca_core.protocols import Flag, Screen
from orca_core.records import Prompt
from orca_curation.known import Case, KnownCases, read_cases, shipped_cases

if TYPE_CHECKING:
    from orca_curation.questions import Match

BLOCK: Final = 1024
"""Prompts that are looked through at once."""
KNOWN: Final = "known task"


class OverlapConfig(Config):
    """Finds drawn queries that are among the evaluators' questions: exact, 13-gram, fuzzy, and tasks known to overlap."""

    on_overlap: Literal["drop", "warn"] = Field("warn", description="what becomes of a query whose text overlaps")
    ngram: int | None = Field(13, ge=5, description="words in a row that are evidence; null: none are")
    fuzzy: float | None = Field(
        0.8, gt=0, le=1, description="share of a question's own words that is evidence; null: none is"
    )
    min_words: int = Field(8, ge=3, description="a question with fewer words of its own is only found as a whole")
    known: Literal["drop", "warn", "off"] = Field(
        "warn", description="what becomes of tasks made of a benchmark that an evaluator asks (known_overlaps.yaml)"
    )
    benchmarks: tuple[str, ...] = Field(
        (), description="known benchmarks to treat as if an evaluator of this run asked them, e.g. [MMLU]"
    )
    cases: Path | None = Field(
        None, description="a YAML file of your own known cases; one of a shipped benchmark's name replaces it"
    )
    extra: dict[str, Case] = Field(
        default_factory=dict,
        description="further cases by benchmark, e.g. {ARC: {tasks: ['*/arc_*'], evaluators: ['arc*'], why: its training split}}",
    )

    @field_validator("known", mode="before")
    @classmethod
    def _off_is_no_in_yaml(cls, value: Any) -> Any:
        return "off" if value is False else value

    @model_validator(mode="after")
    def _names_benchmarks(self) -> OverlapConfig:
        known = self.all_cases
        for name in self.benchmarks:
            if name not in known:
                raise ValueError(f"benchmarks: none is called '{name}'{did_you_mean(name, known)}")
        return self

    @property
    def all_cases(self) -> dict[str, Case]:
        """The shipped cases and the user's, by benchmark."""
        return shipped_cases() | (read_cases(self.cases) if self.cases else {}) | self.extra


class Overlap:
    """Holds drawn prompts against the evaluators' questions."""

    def __init__(self, config: OverlapConfig) -> None:
        self._config = config

    def screen(
        self, prompts: Iterable[Prompt], questions: Mapping[str, Iterable[Prompt]]
    ) -> Iterator[tuple[Prompt, Flag | None]]:
        from orca_curation.questions import Question, Questions

        config = self._config
        asked = [Question(name, prompt.query) for name, prompts in questions.items() for prompt in prompts]
        if not asked and config.known == "off":
            raise UserError("the screen 'overlap' holds prompts against evaluators' questions; choose an evaluator")
        texts = Questions(asked, config.ngram, config.fuzzy, config.min_words)
        tasks = dict.fromkeys((question.evaluator, question.query.task) for question in asked)
        known = KnownCases({} if config.known == "off" else config.all_cases, tasks)
        iterator = iter(prompts)
        while block := list(islice(iterator, BLOCK)):
            matches = texts.find([prompt.query.text for prompt in block])
            for index, prompt in enumerate(block):
                yield prompt, _stronger(self._by_text(matches.get(index)), self._by_task(prompt, known))

    def _by_text(self, match: Match | None) -> Flag | None:
        if match is None:
            return None
        question = match.question
        drop = self._config.on_overlap == "drop"
        return Flag(match.reason, drop, question.evaluator, question.query.task, match.evidence)

    def _by_task(self, prompt: Prompt, cases: KnownCases) -> Flag | None:
        known = cases.find(prompt.query.collection, prompt.query.task)
        if known is None:
            return None
        tested = bool(known.evaluator) or known.benchmark in self._config.benchmarks
        drop = self._config.known == "drop" and tested
        return Flag(KNOWN, drop, known.evaluator, known.task, f"{known.benchmark}: {known.why}")


def _stronger(by_text: Flag | None, by_task: Flag | None) -> Flag | None:
    """A flag that drops before one that warns; the text's evidence before the task's."""
    return max((flag for flag in (by_text, by_task) if flag), key=lambda flag: flag.drop, default=None)


OVERLAP: Final = Component[OverlapConfig, Screen]("overlap", OverlapConfig, lambda config, context: Overlap(config))
