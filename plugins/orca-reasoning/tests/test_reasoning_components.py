"""The sampler, the teachers and the evaluator, as the core builds them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import orca_reasoning
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_reasoning import EVALUATOR, SAMPLER, SOLVER, SOLVER_BRIEF
from orca_reasoning.bank import is_held_out
from orca_reasoning.families import FAMILIES
from orca_reasoning.styles import MESSAGES
from pydantic import ValidationError

from orca_core.errors import DataError, UserError
from orca_core.records import Prompt, Query
from orca_core.testing import build, check_evaluator, check_plugin, check_responder, check_sampler, make_context

HERE = make_context(Path())


def sampled(seed: int = 0, **config: Any) -> list[Prompt]:
    return list(build(SAMPLER, make_context(Path(), seed=seed), **config).sample())


def evaluated(**config: Any) -> list[Prompt]:
    return list(build(EVALUATOR, HERE, **config).prompts())


def test_the_plugin_keeps_the_contract() -> None:
    names = sorted(component.name for component in check_plugin(orca_reasoning))
    assert names == [
        *["chain-steps", "chains", "chains", "reasoning", "reasoning", "reasoning", "reducer", "solver", "solver-brief"]
    ]


def test_the_parts_keep_their_contracts() -> None:
    prompts = check_sampler(lambda: build(SAMPLER, HERE, n=150, styles={"explained": 1, "answer": 1}))
    check_responder(build(SOLVER, HERE), prompts)
    check_responder(build(SOLVER_BRIEF, HERE), prompts)
    check_evaluator(build(EVALUATOR, HERE, n=5))


def test_families_take_turns_and_carry_target_choices_and_size() -> None:
    prompts = sampled(n=100, families=["navigate", "object_counting"], sizes={"navigate": [3, 3]})
    assert [p.query.task for p in prompts] == ["navigate", "object_counting"] * 50
    assert {p.query.meta["size"] for p in prompts[::2]} == {3}
    assert {p.query.choices for p in prompts[::2]} == {("Yes", "No")}
    assert {p.query.choices for p in prompts[1::2]} == {()}


def test_more_prompts_start_with_the_same_ones_and_another_seed_gives_others() -> None:
    few, many, other = sampled(n=60), sampled(n=200), sampled(seed=1, n=60)
    assert many[:60] == few
    assert not {p.query.text for p in few} & {p.query.text for p in other}


def test_adding_a_family_leaves_the_items_of_the_others() -> None:
    alone = sampled(n=20, families=["web_of_lies"])
    beside = sampled(n=40, families=["navigate", "web_of_lies"])
    assert [p.query for p in beside if p.query.task == "web_of_lies"] == [p.query for p in alone]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(sorted(FAMILIES)))
def test_held_out_items_never_are_training_items(seed: int, eval_seed: int, family: str) -> None:
    training = {p.query.text for p in sampled(seed, n=100, families=[family])}
    held_out = {p.query.text for p in evaluated(n=20, families=[family], seed=eval_seed)}
    assert len(training) == 100
    assert len(held_out) == 20
    assert all(map(is_held_out, held_out))
    assert not any(map(is_held_out, training))


def test_a_ramp_goes_from_easy_to_hard_with_the_same_items() -> None:
    config: dict[str, Any] = {"n": 90, "families": ["dyck_languages", "navigate", "web_of_lies"]}
    mixed, ramped = sampled(**config), sampled(**config, ramp=True)
    assert (
        {p.query for p in mixed} == {p.query for p in ramped}
        if False
        else {p.query.text for p in mixed} == {p.query.text for p in ramped}
    )
    for family in config["families"]:
        sizes = [p.query.meta["size"] for p in ramped if p.query.task == family]
        assert sizes == sorted(sizes)
        assert len(set(sizes)) > 1


def test_styles_come_in_their_shares() -> None:
    counts = Counter(p.system for p in sampled(n=2000, styles={"explained": 3, "answer": 1}))
    assert set(counts) == {MESSAGES["explained"], MESSAGES["answer"]}
    assert 1400 < counts[MESSAGES["explained"]] < 1600


@pytest.mark.parametrize("component", [SAMPLER, EVALUATOR], ids=["sampler", "evaluator"])
def test_a_family_that_runs_out_of_items_says_so(component: Any) -> None:
    part = build(component, HERE, families=["boolean_expressions"], sizes={"boolean_expressions": [2, 2]}, n=50)
    with pytest.raises(
        UserError, match=r"boolean_expressions: found only \d+ distinct .* items of 2 to 2 tokens, 50 were asked"
    ):
        list(part.sample() if component is SAMPLER else part.prompts())


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"families": ["navigat"]}, "no family 'navigat'; did you mean 'navigate'"),
        ({"families": []}, "at least one family"),
        ({"families": ["navigate", "navigate"]}, "at most once"),
        ({"sizes": {"navigate": [5, 3]}}, r"navigate \[5, 3\]: sizes \(instructions\)"),
        ({"sizes": {"web_of_lies": [1, 99]}}, "1 <= low <= high <= 30"),
        ({"sizes": {"nowhere": [1, 2]}}, "no family 'nowhere'"),
        ({"families": ["navigate"], "sizes": {"dyck_languages": [2, 4]}}, "dyck_languages is not among the families"),
        ({"styles": {"explained": 0}}, "not all are 0"),
        ({"styles": {"chatty": 1}}, "'answer', 'brief', 'explained' or 'empty'"),
        ({"n": 0}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_sampler_config_says_what_is_allowed(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        SAMPLER.config(**config)


def test_the_teachers_follow_the_system_message_and_the_brief_one_stays_brief() -> None:
    query = Query("not ( True ) and ( True ) is", "boolean_expressions")
    prompts = [Prompt(query, system) for system in MESSAGES.values()]
    full, short = ([t.text for t in build(c, HERE).respond(prompts)] for c in (SOLVER, SOLVER_BRIEF))
    answer = "The answer is False."
    chain = "not True and True = False and True = False."
    brief = "It comes down to False and True."
    assert full == [answer, f"{brief} {answer}", f"{chain} {answer}", f"{chain} {answer}"]
    assert short == [answer, f"{brief} {answer}", f"{brief} {answer}", f"{brief} {answer}"]


def test_a_trace_names_its_model_and_costs_nothing() -> None:
    [trace] = build(SOLVER_BRIEF, HERE).respond([Prompt(Query("True is", "x"), "Be brief.")])
    assert (trace.model, trace.cost_usd, trace.latency_s, trace.finish_reason) == ("solver-brief", 0.0, None, "stop")
    assert (trace.prompt_tokens, trace.completion_tokens) == (4, 9)


def test_an_unknown_question_is_refused_by_its_first_line() -> None:
    with pytest.raises(UserError, match=r"reads 'What is love\?'.*navigate"):
        list(build(SOLVER, HERE).respond([Prompt(Query("What is love?\nBaby", "x"))]))


@pytest.mark.parametrize("n", [0, 7, 3000])
def test_the_estimate_comes_close_to_what_is_then_used(n: int) -> None:
    teacher, prompts = build(SOLVER, HERE), sampled(n=n) if n else []
    estimate, traces = teacher.estimate(prompts), list(teacher.respond(prompts))  # type: ignore[attr-defined]
    assert (estimate.prompts, estimate.cost_usd) == (n, 0.0)
    assert estimate.completion_tokens == pytest.approx(sum(t.completion_tokens or 0 for t in traces), rel=0.1)
    assert estimate.prompt_tokens == pytest.approx(sum(t.prompt_tokens or 0 for t in traces), rel=0.1)


def test_scores_tell_accuracy_format_and_chance_of_each_family() -> None:
    evaluator = build(EVALUATOR, HERE, families=["web_of_lies", "dyck_languages"], n=40)
    prompts = list(evaluator.prompts())
    traces = []
    for i, trace in enumerate(build(SOLVER, HERE).respond(prompts)):
        text = "I do not know" if i % 4 == 0 else "The answer is )." if i % 4 == 1 else trace.text
        traces.append(type(trace)(trace.prompt, text, "student"))
    lies, dyck = evaluator.score(traces)
    assert (lies.task, lies.metric, lies.n, lies.value, lies.chance) == ("web_of_lies", "accuracy", 40, 0.5, 0.5)
    assert lies.format_ok == 0.5
    assert (dyck.task, dyck.chance, dyck.format_ok) == ("dyck_languages", 0.0, 0.75)
    assert dyck.items[prompts[40].id] == 0.0
    assert dyck.references == {}


def test_the_items_of_an_evaluation_do_not_change_with_the_seed_of_the_run() -> None:
    one, two = (build(EVALUATOR, make_context(Path(), seed=seed), n=3) for seed in (1, 2))
    assert list(one.prompts()) == list(two.prompts())
    assert list(one.prompts()) != evaluated(n=3, seed=5)


def written(directory: Path, name: str, content: object) -> Path:
    file = directory / f"{name}.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


GOOD = {"input": "True is", "target": "True"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{\n  oops", ":2: not JSON"),
        ([GOOD], 'no list "examples"'),
        ({"examples": []}, 'no list "examples"'),
        ({"examples": [GOOD, {"input": "False is"}]}, r'examples\[1\] needs "input" and "target"'),
        ({"examples": [GOOD, "False"]}, r'examples\[1\] needs "input" and "target"'),
        ({"examples": [{"input": "True is", "target": "Yes"}]}, r"examples\[0\]: the target 'Yes' is no answer"),
        ({"examples": [GOOD, GOOD]}, r"examples\[1\] occurs before"),
    ],
)
def test_a_malformed_file_is_told_by_its_name_and_place(tmp_path: Path, content: object, complaint: str) -> None:
    written(tmp_path, "boolean_expressions", content)
    with pytest.raises(DataError, match=f"boolean_expressions.json.*{complaint}"):
        evaluated(path=tmp_path, families=["boolean_expressions"])


def test_a_missing_a_strange_and_an_undecodable_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"navigate\.json: cannot be read: No such file"):
        evaluated(path=tmp_path, families=["navigate"])
    with pytest.raises(DataError, match=r"nowhere: no such file or directory"):
        evaluated(path=tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"did you mean 'navigate'"):
        evaluated(path=written(tmp_path, "navigat", {"examples": [GOOD]}))
    with pytest.raises(DataError, match=r"navigate is not among the evaluator's families"):
        evaluated(path=written(tmp_path, "navigate", {"examples": [GOOD]}), families=["web_of_lies"])
    (tmp_path / "word_sorting.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match=r"word_sorting\.json: not UTF-8 text: byte 0"):
        evaluated(path=tmp_path, families=["word_sorting"])


def test_one_file_is_read_up_to_the_number_asked_for(tmp_path: Path) -> None:
    examples = [{"input": f"{'not ' * i}True is", "target": str(i % 2 == 0)} for i in range(10)]
    file = written(tmp_path, "boolean_expressions", {"examples": examples})
    assert [p.query.text for p in evaluated(path=file, n=3)] == [e["input"] for e in examples[:3]]
    assert len(evaluated(path=file, style="empty")) == 10
    assert {p.system for p in evaluated(path=file, style="empty")} == {""}
