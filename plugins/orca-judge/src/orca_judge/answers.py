"""The teacher ``answers``: somebody's answers to questions, out of a file such as FastChat's ``model_answer/NAME.jsonl``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from orca_core import Component, Config, DataError, Estimate, Prompt, Query, Responder, Trace, UserError
from orca_core.files import read_records
from orca_judge.questions import SETS, files_at, first_of, row_id

TEXTS: Final = ("answer", "output", "response", "text")
QUESTIONS: Final = ("question", "Instruction", "instruction", "prompt")
MODELS: Final = ("model_id", "model")


class AnswersConfig(Config):
    """Answers from a file: rows of an answer with the question, or with its id (question_id, idx, id)."""

    path: Path = Field(
        description="file of answers, or folder of such files; where they give ids, a name such as vicuna-chatgpt.jsonl tells "
        "the set that these belong to"
    )
    model: str = Field("", description="who wrote the answers, where the file does not say")


@dataclass(frozen=True, slots=True)
class _Answer:
    key: str
    text: str
    model: str


class AnswersTeacher:
    """Looks answers up by the question's text, or else by its set and id."""

    def __init__(self, config: AnswersConfig) -> None:
        self._config = config
        self._known: Mapping[str, _Answer] | None = None
        self._unnamed: set[str] = set()
        """Tasks of the questions that were looked up by id in a file that is not named after a set."""

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            found = self._find(prompt.query)
            if found is None:
                raise UserError(
                    f"teacher 'answers': {self._config.path} has no answer to this question of set '{prompt.query.task}': "
                    f"{prompt.query.text[:80]!r} (id {prompt.query.meta.get('id') or 'none'})"
                )
            yield Trace(prompt, found.text, found.model or self._config.model or "answers", cost_usd=0.0)

    def estimate(self, prompts: Iterable[Prompt]) -> Estimate:
        """Nobody is asked."""
        return Estimate(0, 0, 0, cost_usd=0.0, batch_usd=0.0, hours=0.0)

    def _find(self, query: Query) -> _Answer | None:
        if self._known is None:
            self._known = dict(_read(self._config.path))
        number = query.meta.get("id", "")
        found = self._known.get(_by_text(query.text)) or self._known.get(_by_id(query.task, number))
        if found is None and (found := self._known.get(_by_id("", number))):
            self._unnamed.add(query.task)
            if len(self._unnamed) > 1:
                raise UserError(
                    f"teacher 'answers': {self._config.path} gives ids, and questions of {len(self._unnamed)} sets have such "
                    f"({', '.join(sorted(self._unnamed))}); give a folder with a file of each set, named after it"
                )
        return found


def _by_text(text: str) -> str:
    return f"text {text.strip()}"


def _by_id(name: str, number: str) -> str:
    return f"id {name} {number}"


def _read(path: Path) -> Iterator[tuple[str, _Answer]]:
    for name, file in files_at(path).items():
        lines: dict[str, int] = {}
        for line, answer in read_records(file, partial(_parse, name if name in SETS else "")):
            if answer.key in lines:
                raise DataError(file, f"a second answer to the question of line {lines[answer.key]}", line=line)
            lines[answer.key] = line
            yield answer.key, answer


def _parse(name: str, row: Mapping[str, Any]) -> _Answer:
    text = _choice(row["choices"]) if "choices" in row else first_of(row, TEXTS, "answer")
    if not isinstance(text, str):
        raise ValueError(f"the answer should be a text: {text!r}")
    question, number = next((row[c] for c in QUESTIONS if c in row), None), row_id(row)
    if not isinstance(question, str) and not number:
        raise KeyError("question_id")
    key = _by_text(question) if isinstance(question, str) else _by_id(name, number)
    return _Answer(key, text, str(next((row[c] for c in MODELS if c in row), "")))


def _choice(choices: Any) -> Any:
    """FastChat's ``choices: [{turns: [answer]}]``."""
    match choices:
        case [{"turns": [text]}]:
            return text
    raise ValueError("choices should be one choice with one turn, [{turns: [answer]}]")


ANSWERS = Component[AnswersConfig, Responder]("answers", AnswersConfig, lambda config, context: AnswersTeacher(config))
