"""Chains of digits: the task, its teacher with and without slips, and how answers and steps are judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_reasoning.chains import CHAIN_STEPS, CHAINS, CHAINS_EVALUATOR, REDUCER
from orca_reasoning.chains.reducer import reduction
from orca_reasoning.chains.task import valid_steps

from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace
from orca_core.testing import build, check_evaluator, check_sampler, make_context

HERE = make_context(Path())
CHAIN = st.lists(st.integers(0, 9), min_size=2, max_size=9)


def test_sampler_and_evaluator_keep_the_contract() -> None:
    check_sampler(lambda: build(CHAINS, HERE, n=300, digits=(3, 5)))
    check_evaluator(build(CHAINS_EVALUATOR, HERE, n=10))


@settings(deadline=None, max_examples=50)
@given(CHAIN, st.integers())
def test_every_step_of_the_expert_adds_two_neighbours(digits: list[int], seed: int) -> None:
    chain = digits
    for step in reduction(digits, Random(seed)).split(" ; "):
        left = [int(digit) for digit in step.split()]
        ways = [[*chain[:i], (chain[i] + chain[i + 1]) % 10, *chain[i + 2 :]] for i in range(len(chain) - 1)]
        assert left in ways
        chain = left
    assert chain == [sum(digits) % 10]


@settings(deadline=None, max_examples=50)
@given(CHAIN, st.integers())
def test_one_who_always_slips_is_right_in_all_but_the_sums_that_carry(digits: list[int], seed: int) -> None:
    text, rng = reduction(digits, Random(seed), slips=1.0), Random(seed)
    chain, carries = digits, list[bool]()
    for _ in range(len(digits) - 1):  # the same walk, with the mistake spelt out
        at = rng.randrange(len(chain) - 1)
        total = chain[at] + chain[at + 1]
        carries.append(total >= 10)
        if carries[-1]:
            rng.random()
        chain = [*chain[:at], (total + carries[-1]) % 10, *chain[at + 2 :]]
    assert text.split(" ; ")[-1] == str(chain[0])
    # a wrong sum may still be that of other neighbours, so a slip need not make a step invalid
    question = " ".join(map(str, digits))
    assert all(valid for valid, carry in zip(valid_steps(question, text), carries, strict=True) if not carry)


def test_slips_come_as_often_as_they_are_said_to() -> None:
    steps = [valid_steps("9 9", reduction([9, 9], Random(seed), slips=0.6))[0] for seed in range(500)]
    assert 0.33 < sum(steps) / 500 < 0.47
    assert all(valid_steps("4 5", reduction([4, 5], Random(seed), slips=0.6))[0] for seed in range(50))


def test_the_expert_goes_other_ways_for_other_samples() -> None:
    reducer = build(REDUCER, HERE)
    texts = {trace.text for trace in reducer.respond(Prompt(Query("1 2 3 4 5", "chains_5")).samples(12))}
    assert len(texts) > 4
    with pytest.raises(UserError, match="is no chain of digits"):
        list(reducer.respond([Prompt(Query("1 + 2", "sums"))]))


def test_what_is_evaluated_is_never_drawn_for_training() -> None:
    drawn = {p.query.text for p in build(CHAINS, HERE, n=5000, digits=(3,)).sample()}
    asked = {p.query.text for p in build(CHAINS_EVALUATOR, HERE, n=1000, digits=(3,)).prompts()}
    assert len(drawn) > 800
    assert len(asked) > 100
    assert not drawn & asked


def test_accuracy_goes_by_the_last_digit_and_the_form_is_told_apart() -> None:
    evaluator = build(CHAINS_EVALUATOR, HERE, n=4, digits=(3,), drawn=False)
    prompts = list(evaluator.prompts())
    answer: Callable[[int], str] = lambda i: str(prompts[i].query.target)  # noqa: E731
    wrong = str((int(answer(2)) + 1) % 10)
    texts = [f"1 2 ; {answer(0)}", f"so: {answer(1)}", f"1 2 ; {wrong}", ""]
    score, _ = evaluator.score(Trace(p, text, "test") for p, text in zip(prompts, texts, strict=True))
    assert (score.value, score.n, score.chance, score.format_ok) == (0.5, 4, 0.1, 0.5)


def test_steps_are_judged_by_the_chain_before_them_as_it_was_written() -> None:
    assert valid_steps("3 8 1 4", "1 1 4 ; 2 4 ; 6") == [True, True, True]
    assert valid_steps("3 8 1 4", "2 1 4 ; 3 4 ; 7") == [False, True, True]  # goes on from what is wrong
    assert valid_steps("3 8 1 4", "1 1 4 ; 1 1 4 ; x") == [True, False, False]
    evaluator = build(CHAINS_EVALUATOR, HERE, n=1, digits=(3,), drawn=False)
    (prompt,) = evaluator.prompts()
    perfect = reduction([int(digit) for digit in prompt.query.text.split()], Random(0))
    half = perfect.split(" ; ")[0]  # too few steps are no way to a better share
    for text, share in ((perfect, 1.0), (half, 0.5), (f"{perfect} ; 3 ; 5", 0.5), ("", 0.0)):
        _, score = evaluator.score([Trace(prompt, text, "test")])
        assert (score.metric, score.value) == ("valid_steps", share), text
    assert score.chance == pytest.approx((1 / 10 + 2 / 100) / 2)


def test_the_verifier_judges_the_last_step_of_an_answer_that_need_not_be_finished() -> None:
    verify = build(CHAIN_STEPS, HERE).verify
    question = Query("3 8 1 4", "chains_4", target="6")
    said = ["1 1 4 ;", "1 1 4 ; 2 4", "1 1 4 ; 3 4 ; ", "2 1 4", "", " ; "]
    assert [verify(question, text) for text in said] == [True, True, False, False, False, False]
    assert verify(Query("1 + 2", "sums", target="3"), "3") is None
