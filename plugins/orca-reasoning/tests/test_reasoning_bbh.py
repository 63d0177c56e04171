"""The solver on text that nobody here wrote: the files of BIG-Bench Hard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orca_reasoning import EVALUATOR, SOLVER
from orca_reasoning.bank import is_held_out
from orca_reasoning.families import FAMILIES

from orca_core.testing import build, make_context


@pytest.fixture(scope="module")
def bbh(shared: Path) -> Path:
    return shared / "bbh"


@pytest.mark.parametrize("style", ["answer", "brief", "explained", "empty"])
def test_the_solver_answers_every_item_in_every_style(bbh: Path, style: str) -> None:
    context = make_context(Path())
    evaluator = build(EVALUATOR, context, path=bbh, style=style)
    scores = list(evaluator.score(build(SOLVER, context).respond(evaluator.prompts())))
    assert {score.task: score.value for score in scores} == dict.fromkeys(FAMILIES, 1.0)
    assert {score.n for score in scores} == {250}
    assert {score.format_ok for score in scores} == {1.0}


def test_published_figures_stand_beside_the_tasks_that_have_them(bbh: Path) -> None:
    context = make_context(Path())
    evaluator = build(EVALUATOR, context, path=bbh, n=5, families=["navigate", "word_sorting"])
    navigate, sorting = evaluator.score(build(SOLVER, context).respond(evaluator.prompts()))
    assert navigate.references == {"ChatGPT": 0.556, "GPT-4": 0.688, "Orca-13B": 0.576}
    assert sorting.references == {}


def test_no_item_of_the_benchmark_can_be_a_training_item(bbh: Path) -> None:
    for name in FAMILIES:
        examples = json.loads((bbh / f"{name}.json").read_text(encoding="utf-8"))["examples"]
        assert all(is_held_out(example["input"]) for example in examples), name
