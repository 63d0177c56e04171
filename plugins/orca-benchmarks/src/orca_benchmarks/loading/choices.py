"""Multiple-choice benchmarks in their Hub formats: MMLU, ARC, HellaSwag, RACE, TruthfulQA (one right answer)."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from orca_benchmarks.items import Item, Space
from orca_benchmarks.loading.rows import Row
from orca_core.records import content_id


def mmlu(task: str, row: Row) -> Item:
    """``question``, ``choices`` and ``answer``, the index (or the letter) of the right one (Hendrycks et al. 2021)."""
    return _item(task, row, row.text("question"), row.texts("choices"), row.values.get("answer"))


def arc(task: str, row: Row) -> Item:
    """``question``, ``choices: {text, label}`` and ``answerKey``, one of the labels, letters or digits (Clark et al. 2018)."""
    choices = row.values.get("choices")
    if not isinstance(choices, dict) or not {"text", "label"} <= choices.keys():
        row.fail('needs "choices": {"text": [...], "label": [...]}')
    texts, labels = list(choices["text"]), list(choices["label"])
    if len(texts) != len(labels):
        row.fail(f"{len(texts)} option texts, but {len(labels)} labels")
    key = row.text("answerKey")
    if key not in labels:
        row.fail(f"the answerKey '{key}' is none of the labels {', '.join(labels)}")
    return _item(task, row, row.text("question"), texts, labels.index(key))


def hellaswag(task: str, row: Row) -> Item:
    """``activity_label``, ``ctx_a``, ``ctx_b``, four ``endings`` and ``label``, an index as text (Zellers et al. 2019)."""
    context = (
        f"{row.text('activity_label')}: {row.text('ctx_a', empty=True)} {row.text('ctx_b', empty=True).capitalize()}"
    )
    label = row.values.get("label")
    gold = int(label) if isinstance(label, str) and label.isdigit() else label
    return _item(task, row, _without_marks(context), [_without_marks(ending) for ending in row.texts("endings")], gold)


def race(task: str, row: Row) -> Item:
    """``article``, ``question``, four ``options`` and ``answer``, a letter (Lai et al. 2017)."""
    return _item(task, row, row.text("question"), row.texts("options"), row.values.get("answer"), row.text("article"))


def truthfulqa(task: str, row: Row) -> Item:
    """``question`` and ``mc1_targets: {choices, labels}``, one of which is right: in the source, always the first.

    The options are shuffled, with the question's own hash as the seed (Lin et al. 2022; the Orca paper shuffles as well).
    """
    targets = row.values.get("mc1_targets")
    if not isinstance(targets, dict) or not {"choices", "labels"} <= targets.keys():
        row.fail('needs "mc1_targets": {"choices": [...], "labels": [...]}')
    choices, labels = list(targets["choices"]), list(targets["labels"])
    if len(choices) != len(labels) or labels.count(1) != 1:
        row.fail(f"{len(choices)} choices need as many labels, one of them 1; found {labels}")
    question = row.text("question")
    order = list(range(len(choices)))
    Random(content_id(question)).shuffle(order)
    return _item(task, row, question, [choices[i] for i in order], order.index(labels.index(1)))


def _item(task: str, row: Row, question: str, options: list[str], answer: Any, passage: str = "") -> Item:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(options)]
    gold = letters.find(answer) if isinstance(answer, str) and len(answer) == 1 else answer
    if (
        isinstance(gold, bool)
        or not isinstance(gold, int)
        or not 0 <= gold < len(options)
        or len(options) > len(letters)
    ):
        row.fail(f"the answer {answer!r} is none of its {len(options)} options")
    space = Space("option", tuple(options))
    return Item(task, question, space, (space.labels[gold],), gold, passage)


def _without_marks(text: str) -> str:
    """WikiHow's section marks out of HellaSwag's texts."""
    return " ".join(re.sub(r"\[.*?\]", "", text.replace(" [title]", ". ")).split())
