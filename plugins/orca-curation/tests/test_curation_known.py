"""The screen ``overlap`` by task: benchmarks that tasks are known to be made of."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from orca_curation import OVERLAP
from pydantic import ValidationError

from orca_core import DataError, Prompt, Query
from orca_core.protocols import Flag
from orca_core.testing import build, make_context

CONTEXT = make_context(Path())
AQUA = ("niv2", "task750_aqua_multiple_choice_answering")
MMLU = ("niv2", "task664_mmmlu_answer_generation_abstract_algebra")
RACE = ("t0", "race_high_Taking_a_test")


def flags(*tasks: tuple[str, str], asked: dict[str, str] | None = None, **config: Any) -> list[Flag | None]:
    """The flags of a prompt of each task (collection, task), where the run asks these tasks (evaluator: task)."""
    prompts = [Prompt(Query(f"What is question {index}?", task, name)) for index, (name, task) in enumerate(tasks)]
    asked = {"bbh": "snarks"} if asked is None else asked
    questions = {name: [Prompt(Query("Which statement is sarcastic?", task))] for name, task in asked.items()}
    return [flag for _, flag in build(OVERLAP, CONTEXT, **config).screen(prompts, questions)]


def flag(task: tuple[str, str], **more: Any) -> Flag:
    (only,) = flags(task, **more)
    assert only is not None
    return only


def test_flans_tasks_that_are_made_of_benchmarks_are_found_and_no_others(shared: Path) -> None:
    with (shared / "flan_inventory.csv").open(encoding="utf-8", newline="") as file:
        tasks = [(row["collection"], row["task"]) for row in csv.DictReader(file)]
    found: dict[str, set[str]] = defaultdict(set)
    for task, known in zip(tasks, flags(*tasks), strict=True):
        if known:
            found[known.task].add("/".join(task))
    mmlu, race = found.pop("MMLU"), found.pop("RACE")
    assert len(mmlu) == 57
    assert all(task.startswith("niv2/task") and "_mmmlu_answer_generation_" in task for task in mmlu)
    assert race == {"/".join(task) for task in tasks if task[0] == "t0" and task[1].startswith("race_")} | {
        "niv2/task309_race_answer_generation",
        "niv2/task310_race_classification",
        "niv2/task311_race_question_generation",
        "niv2/task649_race_blank_question_generation",
    }
    mathqa = ["1419_mathqa_gain", "1420_mathqa_general", "1421_mathqa_other", "1422_mathqa_physics"]
    mathqa += ["1423_mathqa_geometry", "1424_mathqa_probability", "1678_mathqa_answer_selection"]
    assert found == {
        "AQuA-RAT": {
            "cot/stream_aqua",
            "cot/stream_input_inversion_aqua",
            "niv2/task750_aqua_multiple_choice_answering",
            "niv2/task1726_mathqa_correct_answer_generation",
            *(f"niv2/task{name}" for name in mathqa),
        },
        "BIG-bench": {"niv2/task062_bigbench_repeat_copy_logic"},
        "DROP": {
            "flan2021/drop",
            "niv2/task026_drop_question_generation",
            "niv2/task027_drop_answer_type_generation",
            "niv2/task028_drop_answer_generation",
        },
        "GSM8K": {"cot/cot_gsm8k", "cot/cot_input_inversion_gsm8k"},
    }


def test_an_evaluator_that_asks_the_benchmark_is_named_with_its_task() -> None:
    found = flag(AQUA, asked={"bbh": "snarks", "agieval": "aqua-rat"})
    assert (found.reason, found.evaluator, found.task, found.drop) == ("known task", "agieval", "aqua-rat", False)
    assert found.evidence.startswith("AQuA-RAT: ")


def test_a_benchmark_that_nobody_asks_is_reported_by_its_name_and_never_dropped() -> None:
    for known in ("warn", "drop"):
        found = flag(MMLU, known=known)
        assert (found.reason, found.evaluator, found.task, found.drop) == ("known task", "", "MMLU", False)


@pytest.mark.parametrize(
    ("asked", "config", "dropped"),
    [
        ({"agieval": "aqua-rat"}, {}, [False, False, False]),
        ({"agieval": "aqua-rat"}, {"known": "drop"}, [True, False, False]),
        ({"MMLU": "anatomy", "orca2": "race"}, {"known": "drop"}, [False, True, True]),
        ({"bbh": "snarks"}, {"known": "drop", "benchmarks": ["MMLU"]}, [False, True, False]),
        ({}, {"known": "drop", "benchmarks": ["RACE"]}, [False, False, True]),
    ],
)
def test_what_is_dropped_is_what_the_run_tests_on(
    asked: dict[str, str], config: dict[str, Any], dropped: list[bool]
) -> None:
    assert [found and found.drop for found in flags(AQUA, MMLU, RACE, asked=asked, **config)] == dropped


@pytest.mark.parametrize("off", ["off", False])  # YAML reads off as no
def test_known_cases_can_be_switched_off(off: object) -> None:
    assert flags(AQUA, MMLU, known=off) == [None, None]


def test_the_stronger_evidence_is_told_but_a_drop_before_a_warning() -> None:
    asked = {"agieval": [Prompt(Query("What is the speed of a train that never comes at all?", "aqua-rat"))]}
    prompt = Prompt(Query("What is the speed of a train that never comes at all?", AQUA[1], AQUA[0]))

    def only(**config: Any) -> Flag | None:
        ((_, found),) = build(OVERLAP, CONTEXT, **config).screen([prompt], asked)
        return found

    both = only(), only(known="drop"), only(on_overlap="drop"), only(known="drop", on_overlap="drop")
    assert [(found.reason, found.drop) for found in both if found] == [
        ("exact", False),
        ("known task", True),
        ("exact", True),
        ("exact", True),
    ]


def test_own_cases_stand_beside_the_shipped_ones_in_line_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(
        "ARC:\n  tasks: ['*/arc_*']\n  evaluators: [arc*]\n  why: its training split\n"
        "RACE:\n  tasks: [x/y]\n  why: nothing\n"
    )
    extra = {"QuAC": {"tasks": ["flan2021/quac"], "why": "the same dialogues"}}
    arc, quac, race, mmlu = flags(
        ("flan2021", "arc_easy"),
        ("flan2021", "quac"),
        RACE,
        MMLU,
        asked={"lm-eval": "ARC_easy"},
        cases=file,
        extra=extra,
    )
    assert arc == Flag("known task", False, "lm-eval", "ARC_easy", "ARC: its training split")
    assert quac == Flag("known task", False, "", "QuAC", "QuAC: the same dialogues")
    assert race is None  # replaced by the file's
    assert mmlu is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ARC:\n  why: its training split\n", r"cases.yaml:1: case 'ARC': tasks: Field required"),
        ("A: {tasks: [x], why: y}\nB: {task: [x], why: y}\n", r"cases.yaml:2: case 'B': .*task: unknown key.*'tasks'"),
        ("A: {tasks: [x], why: y}\nA: {tasks: [x], why: y}\n", r"cases.yaml:2: case 'A' is there twice"),
        ("- ARC\n", r"must hold cases by their ids, as in 'my-case: "),
        ("A: [\n", r"cases.yaml:\d: malformed YAML"),
    ],
)
def test_a_wrong_file_of_cases_is_told_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "cases.yaml"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        OVERLAP.config(cases=file)


def test_a_benchmark_that_is_not_known_is_told_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="none is called 'MMLLU'; did you mean 'MMLU'"):
        OVERLAP.config(benchmarks=["MMLLU"])
