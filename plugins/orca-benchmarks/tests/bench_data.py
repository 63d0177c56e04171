"""Small made-up files in the published formats, and responders of known skill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from orca_benchmarks import EVALUATORS

from orca_core import Prompt, Score, Trace
from orca_core.testing import build, make_context

COMPONENTS = {component.name: component for component in EVALUATORS}

BBH: dict[str, list[dict[str, str]]] = {
    "navigate": [
        {"input": f"Do you return? Take {i} steps.\nOptions:\n- Yes\n- No", "target": "No" if i else "Yes"}
        for i in range(3)
    ],
    "formal_fallacies": [
        {"input": "All owls fly.\nIs it valid?\nOptions:\n- valid \n- invalid", "target": "invalid"},
        {"input": "All crows fly.\nIs it valid?\nOptions:\n- valid \n- invalid", "target": "valid"},
    ],
    "sports_understanding": [
        {"input": 'Is the following sentence plausible? "Ada Bo scored."', "target": "yes"},
        {"input": 'Is the following sentence plausible? "Bo Ada ate the net."', "target": "no"},
    ],
    "date_understanding": [
        {"input": "It is May 1. Which day is tomorrow?\nOptions:\n(A) May 2\n(B) May 3\n(C) June 1", "target": "(A)"},
        {"input": "It is May 2. Which day is tomorrow?\nOptions:\n(A) May 2\n(B) May 3", "target": "(B)"},
    ],
    "object_counting": [
        {"input": "I have a flute and two drums. How many instruments do I have?", "target": "3"},
        {"input": "I have a flute. How many instruments do I have?", "target": "1"},
    ],
    "dyck_languages": [{"input": "Close the brackets. Input: [ (", "target": ") ]"}],
    "word_sorting": [{"input": "Sort: List: crow bee ant", "target": "ant bee crow"}],
}
AGIEVAL: dict[str, list[dict[str, Any]]] = {
    "sat-math": [
        {"passage": None, "question": "What is 1 + 1?", "options": ["(A)2", "(B)3", "(C)4", "(D)5"], "label": "A"},
        {"passage": "", "question": "What is 1 + 2?", "options": ["(A)2", "(B)3", "(C)4", "(D)5"], "label": "B"},
    ],
    "lsat-rc": [
        {
            "passage": "Owls see by night.",
            "question": "When do owls see?",
            "options": ["(A)never", "(C)by day", "(B)by night", "D at noon", "at dusk"],
            "label": "B",
        }
    ],
}
ROWS: dict[str, dict[str, Any]] = {
    "mmlu": {"question": "What is 1 + 1?", "choices": ["1", "2", "3", "4"], "answer": 1},
    "arc": {
        "id": "x1",
        "question": "What is wet?",
        "choices": {"text": ["fire", "rain"], "label": ["1", "2"]},
        "answerKey": "2",
    },
    "hellaswag": {
        "ind": 4,
        "activity_label": "Baking",
        "ctx_a": "A man opens the oven.",
        "ctx_b": "he",
        "endings": ["flies.", "takes [substeps] out a cake.", "sings."],
        "label": "1",
    },
    "race": {"article": "Bo has a cat.", "question": "What has Bo?", "options": ["a dog", "a cat"], "answer": "B"},
    "truthfulqa": {
        "question": "Do owls vote?",
        "mc1_targets": {"choices": ["They do not", "By night", "By day"], "labels": [1, 0, 0]},
    },
    "gsm8k": {"question": "Two and two?", "answer": "Two and two are <<2+2=4>>4.\n#### 4"},
    "drop": {
        "query_id": "q",
        "passage": "Bo ran 3 miles on May 2.",
        "question": "How many miles?",
        "answer": {"number": "3", "date": {"day": "", "month": "", "year": ""}, "spans": []},
        "validated_answers": {"number": [""], "date": [{"day": "", "month": "", "year": ""}], "spans": [["3 miles"]]},
    },
}
FIRST_TASK = {"mmlu": "anatomy", "arc": "ARC-Easy", "race": "middle"}


def write_bbh(directory: Path, files: Mapping[str, list[dict[str, str]]] = BBH) -> Path:
    directory.mkdir(exist_ok=True)
    for task, examples in files.items():
        content = {"canary": "made up", "examples": examples}
        (directory / f"{task}.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    return directory


def write_lines(directory: Path, files: Mapping[str, list[dict[str, Any]]] = AGIEVAL) -> Path:
    directory.mkdir(exist_ok=True)
    for task, rows in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (directory / f"{task}.jsonl").write_text(text, encoding="utf-8")
    return directory


def evaluator(suite: str, **config: Any) -> Any:
    return build(COMPONENTS[suite], make_context(Path()), **config)


def scored(suite: str, answer: Callable[[Prompt], Trace], **config: Any) -> list[Score]:
    part = evaluator(suite, **config)
    return list(part.score(map(answer, part.prompts())))


def by_metric(scores: Iterable[Score]) -> dict[tuple[str, str], Score]:
    return {(score.task, score.metric): score for score in scores}


def choosing(choose: Callable[[Prompt], str]) -> Callable[[Prompt], Trace]:
    """A responder that says what ``choose`` says, or makes it the likeliest of the choices."""

    def answer(prompt: Prompt) -> Trace:
        said = choose(prompt)
        logprobs = tuple(-1.0 if choice == said else -1000.0 for choice in prompt.choices) or None
        return Trace(prompt, "" if prompt.choices else said, "made up", choice_logprobs=logprobs)

    return answer


oracle = choosing(lambda prompt: prompt.query.target or "")


def guesser(seed: int) -> Callable[[Prompt], Trace]:
    rng = Random(seed)
    return choosing(lambda prompt: rng.choice(prompt.choices or prompt.query.choices or ("I would guess",)))
