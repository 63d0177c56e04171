"""The plugin, its task and its presets through orca's contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orca_rasft
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_rasft import CHAINS, CHAINS_EVALUATOR, REDUCER
from orca_rasft.chains import reduction

from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace
from orca_core.testing import build, check_evaluator, check_plugin, check_sampler, make_context


def test_the_plugin_keeps_the_contract() -> None:
    names = [component.name for component in check_plugin(orca_rasft)]
    assert sorted(names) == ["chains", "chains", "rasft", "reducer"]


def test_sampler_and_evaluator_keep_the_contract(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    check_sampler(lambda: build(CHAINS, context, n=300, digits=(3, 5)))
    check_evaluator(build(CHAINS_EVALUATOR, context, n=10))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=9), st.randoms(use_true_random=False))
def test_every_step_of_the_expert_adds_two_neighbours(digits: list[int], rng: object) -> None:
    chain = digits
    for step in reduction(digits, rng).split(" ; "):  # type: ignore[arg-type]
        left = [int(digit) for digit in step.split()]
        ways = [[*chain[:i], (chain[i] + chain[i + 1]) % 10, *chain[i + 2 :]] for i in range(len(chain) - 1)]
        assert left in ways
        chain = left
    assert chain == [sum(digits) % 10]


def test_the_expert_goes_other_ways_for_other_samples(tmp_path: Path) -> None:
    reducer = build(REDUCER, make_context(tmp_path))
    texts = {trace.text for trace in reducer.respond(Prompt(Query("1 2 3 4 5", "chains_5")).samples(12))}
    assert len(texts) > 4
    with pytest.raises(UserError, match="is no chain of digits"):
        list(reducer.respond([Prompt(Query("1 + 2", "sums"))]))


def test_what_is_evaluated_is_never_drawn_for_training(tmp_path: Path) -> None:
    context = make_context(tmp_path)
    drawn = {p.query.text for p in build(CHAINS, context, n=5000, digits=(3,)).sample()}
    asked = {p.query.text for p in build(CHAINS_EVALUATOR, context, n=1000, digits=(3,)).prompts()}
    assert len(drawn) > 800
    assert len(asked) > 100
    assert not drawn & asked


def test_accuracy_goes_by_the_last_digit_and_the_form_is_told_apart(tmp_path: Path) -> None:
    evaluator = build(CHAINS_EVALUATOR, make_context(tmp_path), n=4, digits=(3,), drawn=False)
    prompts = list(evaluator.prompts())
    answer: Callable[[int], str] = lambda i: str(prompts[i].query.target)  # noqa: E731
    wrong = str((int(answer(2)) + 1) % 10)
    texts = [f"1 2 ; {answer(0)}", f"so: {answer(1)}", f"1 2 ; {wrong}", ""]
    (score,) = evaluator.score(Trace(p, text, "test") for p, text in zip(prompts, texts, strict=True))
    assert (score.value, score.n, score.chance, score.format_ok) == (0.5, 4, 0.1, 0.5)


@pytest.mark.parametrize(
    "overrides",
    [
        ["student=rasft-tiny", "sampler=chains", "teacher=reducer", "evaluator=[chains]", "curriculum=single"],
        ["+experiment=citing/rasft"],
        ["+experiment=citing/rasft", "student=rasft-released"],
    ],
)
def test_presets_compose(overrides: list[str]) -> None:
    plugins = load_plugins()
    run = check(compose_run(overrides, plugins)[0], plugins)
    assert run.student.component.name == "rasft"
