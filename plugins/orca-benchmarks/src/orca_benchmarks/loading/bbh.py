"""BIG-Bench Hard (Suzgun et al. 2022): ``<task>.json`` with ``{"examples": [{"input", "target"}]}``; 27 tasks, 6,511 items."""

from __future__ import annotations

import re
from typing import Final

from orca_benchmarks.items import Item, Space
from orca_benchmarks.loading.rows import Row
from orca_benchmarks.reading import is_answer
from orca_core.records import content_id

LETTERED: Final = Space("option")
TASKS: Final[dict[str, Space]] = {
    "boolean_expressions": Space("word", ("True", "False")),
    "causal_judgement": Space("word", ("Yes", "No")),
    "date_understanding": LETTERED,
    "disambiguation_qa": LETTERED,
    "dyck_languages": Space("brackets"),
    "formal_fallacies": Space("word", ("valid", "invalid")),
    "geometric_shapes": LETTERED,
    "hyperbaton": LETTERED,
    "logical_deduction_five_objects": LETTERED,
    "logical_deduction_seven_objects": LETTERED,
    "logical_deduction_three_objects": LETTERED,
    "movie_recommendation": LETTERED,
    "multistep_arithmetic_two": Space("number"),
    "navigate": Space("word", ("Yes", "No")),
    "object_counting": Space("number"),
    "penguins_in_a_table": LETTERED,
    "reasoning_about_colored_objects": LETTERED,
    "ruin_names": LETTERED,
    "salient_translation_error_detection": LETTERED,
    "snarks": LETTERED,
    "sports_understanding": Space("word", ("yes", "no"), {"plausible": "yes", "implausible": "no"}),
    "temporal_sequences": LETTERED,
    "tracking_shuffled_objects_five_objects": LETTERED,
    "tracking_shuffled_objects_seven_objects": LETTERED,
    "tracking_shuffled_objects_three_objects": LETTERED,
    "web_of_lies": Space("word", ("Yes", "No")),
    "word_sorting": Space("words"),
}
"""The space of answers of each task; of the lettered ones, every item has options of its own."""
MULTIPLE_CHOICE: Final = tuple(task for task, space in TASKS.items() if space.form in ("option", "word"))
"""The 23 tasks of the Orca paper's table 11."""
REPEATED: Final = frozenset({"c46d1af1dbc8295a", "b58e799f1b153140", "7b1fff00c29dc500", "5da1b50a9d412d1b"})
"""Questions that stand in the published files twice, by their content id (two of them with both answers)."""
SPLIT_TARGETS: Final = frozenset({"7125c6c4f2ca1144", "5b042f7bae500f89", "1dcc4e942253529e"})
"""Questions whose options were torn apart at their commas in the published files, so that the target is none of them."""

_OPTION: Final = re.compile(r"\(([A-Z])\) ?(.*)")


def identity(row: Row) -> str:
    """What may not occur twice."""
    return str(row.values.get("input"))


def parse(task: str, row: Row) -> Item:
    """The item of a row.

    Raises:
        DataError: a text is missing, the options are not lettered in order, or the target is no answer to the question.
    """
    text, target, space = row.text("input"), row.text("target"), TASKS[task]
    question, separator, tail = text.rpartition("\nOptions:\n")
    lines = [line.strip() for line in tail.splitlines() if line.strip()] if separator else []
    if space is LETTERED:
        return _lettered(task, row, question, _options(row, lines))
    if lines and tuple(line.removeprefix("- ") for line in lines) != space.options:
        row.fail(f"its options are {lines}, those of {task} are {list(space.options)}")
    if not is_answer(target, space):
        row.fail(f"the target '{target}' is no answer to a question of {task}{_allowed(space)}")
    gold = [option.casefold() for option in space.options].index(target.casefold()) if space.options else None
    return Item(task, question if separator else text, space, (target,), gold, published=text)


def _options(row: Row, lines: list[str]) -> tuple[str, ...]:
    matches = [_OPTION.fullmatch(line) for line in lines]
    letters = "".join(match[1] if match else "?" for match in matches)
    if not letters or letters != "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(letters)]:
        row.fail(f'"input" needs a line "Options:" and then "(A) ...", "(B) ..." in order; found labels "{letters}"')
    return tuple(match[2] for match in matches if match)


def _lettered(task: str, row: Row, question: str, options: tuple[str, ...]) -> Item:
    text, target, space = row.text("input"), row.text("target"), Space("option", options)
    if target in space.labels:
        return Item(task, question, space, (target,), space.labels.index(target), published=text)
    if content_id(text) not in SPLIT_TARGETS:
        row.fail(f"the target '{target}' is none of the options {', '.join(space.labels)}")
    parts = ((i, j) for i in range(len(options)) for j in range(i + 1, len(options) + 1))
    gold = next(i for i, j in parts if ", ".join(options[i:j]) == target)
    return Item(task, question, Space("text", options), (target,), gold, published=text)


def _allowed(space: Space) -> str:
    return f" ({' or '.join(space.options)})" if space.options else f" ({space.form})"
