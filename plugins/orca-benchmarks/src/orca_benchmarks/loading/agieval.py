"""AGIEval's eight English multiple-choice tasks (Zhong et al. 2023): ``<task>.jsonl``, 2,546 items.

A row has ``passage`` (or null), ``question``, ``options`` (``(A)text``) and ``label``. The copies on the Hub
(``hails/agieval-*``) have the prompt made already (``query``), ``choices`` and ``gold``; both are read.
"""

from __future__ import annotations

import re
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
REPEATED: Final = frozenset({"REPEATED"})
"""Questions that stand in the published files twice, by their content id."""
LETTERS: Final = "ABCDEF"
"""What the paper's reader takes for an option, however many the question has."""

_LABEL: Final = re.compile(r"\(?([A-Z])[).\s]\s*(.*)", re.DOTALL)


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
    matches = [_LABEL.fullmatch(option.strip()) for option in shown]
    letters = "".join(match[1] if match else "?" for match in matches)
    if letters != "ABCDEFGHIJ"[: len(shown)]:
        row.fail(f'"options" are lettered "(A)...", "(B)..." in order; found labels "{letters}"')
    if label not in letters or len(label) != 1:
        row.fail(f"the label '{label}' is none of the {len(shown)} options")
    solution = (row.values.get("other") or {}).get("solution") if isinstance(row.values.get("other"), dict) else None
    space = Space("option", tuple(match[2] for match in matches if match))
    gold = letters.index(label)
    return Item(task, question, space, (f"({label})",), gold, passage, tuple(shown), explanation=solution or "")


def _from_query(task: str, row: Row) -> Item:
    shown, query = row.texts("choices"), row.text("query")
    gold = row.values.get("gold")
    if not isinstance(gold, list) or len(gold) != 1 or not isinstance(gold[0], int) or not 0 <= gold[0] < len(shown):
        row.fail(f'"gold" is a list of one index of its {len(shown)} choices, not {gold!r}')
    before, _, _ = query.rpartition(" Answer Choices: ")
    passage, separator, question = before.partition("Q: ")
    if not separator:
        row.fail('"query" reads "Q: ... Answer Choices: ..."')
    return _item(task, row, passage, question, shown, "ABCDEFGHIJ"[gold[0]])
