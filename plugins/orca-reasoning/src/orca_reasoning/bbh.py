"""Reads BIG-Bench Hard files (``{"examples": [{"input", "target"}]}``), and knows what was published on them.

The files carry a canary: they are for evaluation only. Nothing here leads from them into a sampler, and the sampler skips
every question that is among them by chance (``bbh_hashes.txt``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orca_core.errors import DataError, did_you_mean
from orca_core.records import Query
from orca_reasoning.families import FAMILIES, Family

REFERENCES: dict[str, dict[str, float]] = {
    task: {"ChatGPT": chatgpt, "GPT-4": gpt4, "Orca-13B": orca}
    for task, chatgpt, gpt4, orca in (
        ("boolean_expressions", 0.828, 0.776, 0.720),
        ("logical_deduction_five_objects", 0.388, 0.668, 0.396),
        ("logical_deduction_seven_objects", 0.396, 0.660, 0.360),
        ("logical_deduction_three_objects", 0.604, 0.940, 0.576),
        ("navigate", 0.556, 0.688, 0.576),
        ("temporal_sequences", 0.356, 0.980, 0.720),
        ("tracking_shuffled_objects_five_objects", 0.184, 0.252, 0.156),
        ("tracking_shuffled_objects_seven_objects", 0.152, 0.252, 0.140),
        ("tracking_shuffled_objects_three_objects", 0.316, 0.424, 0.348),
        ("web_of_lies", 0.560, 0.496, 0.512),
    )
}
"""Zero-shot accuracy in Mukherjee et al. 2023 (Orca), table 11. Its 23 tasks are the multiple-choice ones only."""


def read(path: Path, families: Sequence[str], n: int | None) -> Iterator[Query]:
    """The first ``n`` items (None: all) of each family's file in a directory, or of one file.

    Raises:
        DataError: a file is missing, unreadable or malformed; says which and where in it.
    """
    for name, file in _files(path, families).items():
        for index, example in enumerate(_examples(file)[:n]):
            yield _query(FAMILIES[name], file, index, example)


def _files(path: Path, families: Sequence[str]) -> dict[str, Path]:
    if path.is_dir():
        return {name: path / f"{name}.json" for name in families}
    if not path.exists():
        raise DataError(path, "no such file or directory")
    if path.stem not in FAMILIES:
        raise DataError(
            path, f"the file's name tells its family, and there is none of this name{did_you_mean(path.stem, FAMILIES)}"
        )
    if path.stem not in families:
        raise DataError(
            path, f"{path.stem} is not among the evaluator's families; add it to them, or give a file of theirs"
        )
    return {path.stem: path}


def _examples(file: Path) -> list[Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(file, f"not JSON: {error.msg}", line=error.lineno) from None
    except UnicodeDecodeError as error:
        raise DataError(file, f"not UTF-8 text: byte {error.start}") from None
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}") from None
    examples = content.get("examples") if isinstance(content, dict) else None
    if not isinstance(examples, list) or not examples:
        raise DataError(
            file, 'has no list "examples"; BIG-Bench Hard files are {"examples": [{"input": ..., "target": ...}]}'
        )
    repeated = _first_repeated([json.dumps(example, sort_keys=True) for example in examples])
    if repeated is not None:
        raise DataError(file, f"examples[{repeated}] occurs before")
    return examples


def _first_repeated(values: Sequence[str]) -> int | None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            return index
        seen.add(value)
    return None


def _query(family: Family, file: Path, index: int, example: Any) -> Query:
    fields = example if isinstance(example, dict) else {}
    text, target = fields.get("input"), fields.get("target")
    if not isinstance(text, str) or not isinstance(target, str):
        raise DataError(file, f'examples[{index}] needs "input" and "target", both text')
    if not family.is_answer(text, target):
        raise DataError(file, f"examples[{index}]: the target '{target}' is no answer to a question of {family.name}")
    return Query(text, family.name, "bbh", target, family.choices(text), {"file": file.name, "index": index})
