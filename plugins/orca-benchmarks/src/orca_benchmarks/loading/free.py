"""Benchmarks with free answers in their Hub formats: GSM8K, DROP."""

from __future__ import annotations

import re
from typing import Any, Final

from orca_benchmarks.items import Item, Space
from orca_benchmarks.loading.rows import Row

_CALCULATION: Final = re.compile(r"<<[^<>]*>>")


def gsm8k(task: str, row: Row) -> Item:
    """``question`` and ``answer``, a solution that ends in ``#### 72`` (Cobbe et al. 2021)."""
    solution, separator, target = row.text("answer").rpartition("####")
    if not separator or not re.fullmatch(r"-?[\d,]*\.?\d+", target.strip()):
        row.fail('"answer" has to end in "#### " and a number')
    explanation = _CALCULATION.sub("", solution).strip()
    return Item(task, row.text("question"), Space("number"), (target.strip(),), explanation=explanation)


def drop(task: str, row: Row) -> Item:
    """``passage``, ``question``, ``answer`` and ``validated_answers``, or ``answers_spans`` (Dua et al. 2019).

    An answer is a number, spans or a date; what any annotator gave counts, several spans being joined by commas.
    """
    spans = row.values.get("answers_spans")
    if isinstance(spans, dict):
        targets = [str(span) for span in spans.get("spans", ())]
    else:
        targets = [_drop_answer(answer) for answer in (row.values.get("answer"), *_validated(row))]
    targets = [target for target in dict.fromkeys(targets) if target]
    if not targets:
        row.fail('has no answer in "answer", "validated_answers" or "answers_spans"')
    return Item(task, row.text("question"), Space("text"), tuple(targets), passage=row.text("passage"))


def _validated(row: Row) -> list[dict[str, Any]]:
    """Columns of a table as one answer each."""
    table = row.values.get("validated_answers") or {}
    columns = [table.get(name) or [] for name in ("number", "date", "spans")]
    return [dict(zip(("number", "date", "spans"), answer, strict=True)) for answer in zip(*columns, strict=False)]


def _drop_answer(answer: Any) -> str:
    if not isinstance(answer, dict):
        return ""
    date = answer.get("date") or {}
    spelt = " ".join(str(date.get(part, "")) for part in ("day", "month", "year")).strip()
    return str(answer.get("number") or "") or ", ".join(answer.get("spans") or ()) or spelt
