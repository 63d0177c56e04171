"""Answers in the languages that are wanted, told by py3langid: naive Bayes over byte n-grams, its model in the wheel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import Field, field_validator

from orca_core import Component, Config, Query, Selector, Trace
from orca_core.errors import did_you_mean

NO_LANGUAGE: Final = "zxx"
"""ISO 639's code for what is in no language: numbers, markup, names of things in programs."""
SPAN: Final = 200
"""Of a long answer, so many characters from either end are looked at."""
EXCUSE: Final = 10.0
"""The answer's language is the target's if the target is so many times likelier to be in it than in a wanted one."""


class LanguageConfig(Config):
    """Keeps answers in the wanted languages, and those whose gold target is in the answer's language too."""

    languages: tuple[str, ...] = Field(("en",), min_length=1, description="ISO 639-1 codes of the wanted languages")
    confidence: float = Field(
        0.6, gt=0, le=1, description="probability that an answer's language must reach for the answer to be dropped"
    )
    min_letters: int = Field(
        20, ge=1, description="answers with fewer letters are kept: nobody can tell the language of a name or a formula"
    )

    @field_validator("languages")
    @classmethod
    def _are_known(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        known = [label for label in _identifier().labels if label != NO_LANGUAGE]
        for language in languages:
            if language not in known:
                raise ValueError(f"no language '{language}'{did_you_mean(language, known)}")
        return languages


class LanguageSelector:
    """Drops answers that are surely in another language than the wanted ones and their own target."""

    def __init__(self, config: LanguageConfig) -> None:
        self.config = config
        self.fine = {*config.languages, NO_LANGUAGE}

    def select(self, traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
        for trace in traces:
            yield trace, self._reason(trace)

    def _reason(self, trace: Trace) -> str | None:
        query = trace.prompt.query
        language = self._other(trace.text)
        if language is None or self._fits(query, language) or self._other(_own_words(trace.text, query)) is None:
            return None
        return f"in {language}"

    def _other(self, text: str) -> str | None:
        """The language of a text that is surely in none of the wanted ones."""
        if len(text) > 2 * SPAN:
            text = f"{text[:SPAN]} {text[-SPAN:]}"
        if sum(map(str.isalpha, text)) < self.config.min_letters:
            return None
        language, probability = _identifier().classify(text)
        return None if language in self.fine or probability < self.config.confidence else str(language)

    def _fits(self, query: Query, language: str) -> bool:
        """Whether the gold target is in this language rather than in a wanted one, as in a translation."""
        if query.target is None:
            return False
        odds: Mapping[str, float] = dict(_identifier().rank("\n".join((query.target, *query.choices))))
        return odds[language] >= EXCUSE * max(odds[wanted] for wanted in self.config.languages)


def _own_words(text: str, query: Query) -> str:
    """An answer without the words that its query has too: it may quote what it is about."""
    given = set(query.text.split())
    return " ".join(word for word in text.split() if word.strip("\"'.,:;!?()[]\u201c\u201d\u2018\u2019") not in given)


@cache
def _identifier() -> Any:
    """The model: 0.5 s and 120 MB once, so it waits until somebody asks for it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


LANGUAGE: Final = Component[LanguageConfig, Selector](
    "language", LanguageConfig, lambda config, context: LanguageSelector(config)
)
