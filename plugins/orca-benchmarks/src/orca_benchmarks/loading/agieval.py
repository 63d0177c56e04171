"""AGIEval's eight English multiple-choice tasks (Zhong et al. 2023): ``<task>.jsonl``, 2,546 items.

A row has ``passage`` (or null), ``question``, ``options`` (``(A)text``) and ``label``. The copies on the Hub
(``hails/agieval-*``) have the prompt made already (``query``), ``choices`` and ``gold``; both are read.
"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import Final

from orca_benchmarks.items import Item, Space
from orca_benchmarks.loading.rows import Row

TASKS: Final = (
    "aqua-rat",
    "logiqa-en",
    "lsat-ar",
    "lsat-lr",
    "lsat-rc",
    "sat-math",
    "sat-en",
    "sat-en-without-passage",
)
REPEATED: Final = frozenset({"b4b11f2c46470bef", "7d957f70e4f62257"})
"""Questions that stand in the published files twice, by their content id."""
LETTERS: Final = "ABCDEF"
"""What the paper's reader takes for an option, however many the question has."""

_LABEL: Final = re.compile(r"(?:\(([A-Z])\)|([A-Z])[)?.:\s])\s*(.*)", re.DOTALL)


def identity(row: Row) -> str:
    """What may not occur twice."""
    return "\n".join(str(row.values.get(name)) for name in ("passage", "question", "query", "options", "choices"))


def parse(task: str, row: Row) -> Item:
    """The item of a row.

    Raises:
        DataError: a field is missing, the options are not lettered in order, or the label is none of them.
    """
    if "query" in row.values:
        return _from_query(task, row)
    shown, label = row.texts("options"), row.text("label")
    passage = row.values.get("passage") or ""
    if not isinstance(passage, str):
        row.fail('"passage" is a text or null')
    return _item(task, row, passage, row.text("question"), shown, label)


def _item(task: str, row: Row, passage: str, question: str, shown: list[str], label: str) -> Item:
    options = _by_letter(row, shown)
    letters = "".join(options)
    if label not in letters or len(label) != 1:
        row.fail(f"the label '{label}' is none of the {len(shown)} options")
    solution = (row.values.get("other") or {}).get("solution") if isinstance(row.values.get("other"), dict) else None
    space = Space("option", tuple(options.values()))
    gold = letters.index(label)
    return Item(task, question, space, (f"({label})",), gold, passage, tuple(shown), explanation=solution or "")


def _by_letter(row: Row, shown: list[str]) -> dict[str, str]:
    """The options' texts by their letters, from A on. LogiQA's are not always in order, and some have lost their letter."""
    options: dict[str, str] = {}
    for letter, option in zip(ascii_uppercase, shown, strict=False):
        label = _LABEL.fullmatch(option.strip())
        own, text = (label[1] or label[2], label[3]) if label else (letter, option)
        if own in options:
            row.fail(f"two of its options are lettered {own}")
        options[own] = text
    if set(options) != set(ascii_uppercase[: len(shown)]):
        row.fail(f"its {len(shown)} options are lettered {', '.join(options)}")
    return dict(sorted(options.items()))


def _from_query(task: str, row: Row) -> Item:
    shown, query = row.texts("choices"), row.text("query")
    gold = row.values.get("gold")
    if not isinstance(gold, list) or len(gold) != 1 or not isinstance(gold[0], int) or not 0 <= gold[0] < len(shown):
        row.fail(f'"gold" is a list of one index of its {len(shown)} choices, not {gold!r}')
    before, _, _ = query.rpartition(" Answer Choices: ")
    passage, separator, question = before.partition("Q: ")
    if not separator:
        row.fail('"query" reads "Q: ... Answer Choices: ..."')
    return _item(task, row, passage, question, shown, ascii_uppercase[gold[0]])
