"""The samplers, the teacher, the verifier and the evaluator, as the core builds them, and a whole run of them."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

import orca_scalelogic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_scalelogic import CURRICULUM, EVALUATOR, SAMPLER, TEACHER, VERIFIER
from orca_scalelogic.bank import fingerprint, is_held_out
from orca_scalelogic.curriculum import next_upper, uppers
from orca_scalelogic.entailment import Entailment, entailed
from orca_scalelogic.logic import TIERS
from orca_scalelogic.notes import NOTED
from orca_scalelogic.sentences import read_literal
from orca_scalelogic.wording import WORDINGS, read_problem
from pydantic import ValidationError

from orca_core import Prompt, Query, Trace, UserError
from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.testing import build, check_evaluator, check_plugin, check_responder, check_sampler, make_context
from orca_core.testing.project import Project

HERE = make_context(Path())


def sampled(component: Any = SAMPLER, seed: int = 0, **config: Any) -> list[Prompt]:
    return list(build(component, make_context(Path(), seed=seed), **config).sample())


def asked(**config: Any) -> list[Prompt]:
    return list(build(EVALUATOR, HERE, **config).prompts())


def marks(prompts: list[Prompt]) -> set[int]:
    """Of each prompt's problem, whatever the order of its sentences."""
    found = [read_problem(prompt.query.text) for prompt in prompts]
    return {fingerprint(read[0]) for read in found if read}


def test_the_plugin_keeps_the_contract() -> None:
    names = sorted(component.name for component in check_plugin(orca_scalelogic))
    assert names == ["grpo", *["scalelogic"] * 4, "scalelogic-curriculum"]


def test_the_parts_keep_their_contracts() -> None:
    prompts = check_sampler(lambda: build(SAMPLER, HERE, n=60, names="letters"))
    check_sampler(lambda: build(CURRICULUM, HERE, n=60))
    check_responder(build(TEACHER, HERE), prompts, stream=1000)
    check_evaluator(build(EVALUATOR, HERE, n=2))


def test_tiers_take_turns_depths_vary_and_every_query_carries_what_is_needed() -> None:
    prompts = sampled(n=60, tiers=["negation", "quantification"], depths=(2, 4), candidates=3)
    assert [p.query.meta["tier"] for p in prompts] == ["negation", "quantification"] * 30
    assert {p.query.task for p in prompts[::2]} == {"negation-d2", "negation-d3", "negation-d4"}
    for query in (prompt.query for prompt in prompts):
        assert query.meta["verifier"] == "scalelogic"
        assert query.target in query.choices
        assert len(query.choices) == 3


def test_few_words_are_few() -> None:
    texts = [prompt.query.text for prompt in sampled(n=150, names="few-words", candidates=2)]
    words = {literal for text in texts for literal in re.findall(r"(\w+) is (?:not )?(\w+)", text)}
    assert len({person for person, _ in words if person != "X"}) == 8
    assert len({word for _, word in words}) == 48
    with pytest.raises(ValidationError, match="may need 100 words, the list has 48; choose names=letters"):
        sampled(names="few-words", depths=(1, 13), candidates=2)


@pytest.mark.parametrize(
    ("overrides", "objective"),
    [
        (["student=grpo-tiny", "sampler=scalelogic", "teacher=scalelogic", "curriculum=warm-start"], "grpo"),
        (["student=grpo-tiny", "sampler=scalelogic", "teacher=scalelogic", "curriculum=recital"], "grpo"),
        (["+experiment=citing/scalelogic"], "sft"),
        (["+experiment=citing/scalelogic-curriculum"], "sft"),
        (["+experiment=citing/scalelogic-grpo"], "grpo"),
        (["+experiment=citing/scalelogic-large", "student.base=somewhere"], "grpo"),
    ],
)
def test_presets_compose(overrides: list[str], objective: str) -> None:
    plugins = load_plugins()
    run = check(compose_run(overrides, plugins)[0], plugins)
    assert run.student.component.name == "grpo"
    assert run.student.config.objective == objective  # type: ignore[attr-defined]


def test_it_streams_and_more_prompts_start_with_the_same_ones() -> None:
    draw = build(SAMPLER, HERE, n=10**7).sample
    first = list(islice(draw(), 20))
    assert first == sampled(n=40)[:20]
    assert not marks(first) & marks(sampled(seed=1, n=40))


def test_adding_a_tier_leaves_the_instances_of_the_others() -> None:
    alone = sampled(n=10, tiers=["negation"])
    beside = sampled(n=20, tiers=["implication", "negation"])
    assert alone == [prompt for prompt in beside if prompt.query.meta["tier"] == "negation"]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(TIERS))
def test_no_draw_of_a_sampler_is_held_out_in_any_order_of_its_sentences(seed: int, eval_seed: int, tier: str) -> None:
    same: dict[str, Any] = {"tiers": [tier], "depths": (1, 2), "candidates": 2}
    training = marks(sampled(seed=seed, n=60, **same))
    held_out = asked(seed=eval_seed, n=5, **same)
    assert len(training) == 60
    assert len(marks(held_out)) == 10
    assert not training & marks(held_out)
    assert all(is_held_out(read[0]) for p in held_out if (read := read_problem(p.query.text)))


def test_the_order_of_sentences_does_not_matter_to_the_split() -> None:
    read = read_problem(sampled(n=1)[0].query.text)
    assert read is not None
    problem = read[0]
    turned = problem._replace(axioms=problem.axioms[::-1], candidates=problem.candidates[::-1])
    assert fingerprint(turned) == fingerprint(problem)
    assert fingerprint(problem._replace(axioms=problem.axioms[1:])) != fingerprint(problem)


def test_a_curriculum_goes_up_in_stages_that_are_parts_of_one_draw() -> None:
    config: dict[str, Any] = {"n": 62, "tiers": ["implication"], "depths": (1, 5), "start": 1, "step": 2}
    whole = sampled(CURRICULUM, **config)
    stages = [sampled(CURRICULUM, stage=stage, **config) for stage in (1, 2, 3)]
    assert [prompt for stage in stages for prompt in stage] == whole
    assert [max(prompt.query.meta["depth"] for prompt in stage) for stage in stages] == [1, 3, 5]
    assert {prompt.query.meta["depth"] for prompt in stages[2]} == {1, 2, 3, 4, 5}
    assert len(marks(whole)) == 62


def test_the_curriculum_rises_when_training_accuracy_reaches_seventy_percent() -> None:
    assert next_upper(6, 0.7, step=2, greatest=12) == 8
    assert next_upper(6, 0.69, step=2, greatest=12) == 6
    assert next_upper(11, 1.0, step=2, greatest=12) == 12
    assert uppers(6, 2, 11) == (6, 8, 10, 11)
    assert uppers(6, 2, 4) == (4,)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"tiers": ["negaton"]}, "'negation'"),
        ({"tiers": []}, "at least one of implication"),
        ({"tiers": ["negation", "negation"]}, "at most once"),
        ({"depths": (3, 2)}, "1 <= low <= high <= 24"),
        ({"depths": (1, 20), "candidates": 4}, "choose names=letters"),
        ({"stage": 5}, "there are 4 stages, of greatest depths 1, 2, 3, 4"),
        ({"depths": (2, 4)}, "start: at least 2"),
        ({"n": 2}, "each of the 4 stages"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_can(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        CURRICULUM.config(**config)


@pytest.mark.parametrize("tier", TIERS)
def test_every_line_of_the_teachers_proof_ends_in_what_follows(tier: str) -> None:
    prompts = sampled(n=25, tiers=[tier], depths=(1, 4))
    judge = build(VERIFIER, HERE)
    for trace in build(TEACHER, HERE).respond(prompts):
        assert judge.verify(trace.prompt.query, trace.text) is True
        *lines, _ = trace.text.splitlines()
        assert len(lines) >= trace.prompt.query.meta["depth"]
        read = read_problem(trace.prompt.query.text)
        assert read is not None
        with Entailment(read[0]) as axioms:
            for line in lines:
                derived = line.rpartition(", so ")[2].removeprefix("either way ").rstrip(".")
                literal = read_literal(derived)
                assert " or " in derived or (literal is not None and axioms.entails(literal)), line


def test_the_proof_cites_refutations_and_cases_in_words() -> None:
    text = "\n".join(
        [
            "Facts: Ada is calm. If Ada is calm, then Ada is brave or Ada is dry. If Ada is brave, then Ada is kind. If Ada is "
            "dry, then Ada is kind. If Ada is kind, then Ada is wise or Ada is mad. Ada is not mad.",
            "Statements:",
            "Ada is bald",
            "Ada is wise",
            sampled(n=1)[0].query.text.splitlines()[-1],
        ]
    )
    teacher = build(TEACHER, HERE)
    (explained, terse) = (
        trace.text
        for trace in teacher.respond([Prompt(Query(text, "t")), Prompt(Query(text, "t"), "Give only the answer.")])
    )
    assert explained.splitlines() == [
        "Ada is calm, so Ada is brave or Ada is dry.",
        "Ada is brave or Ada is dry, so either way Ada is kind.",
        "Ada is kind, so Ada is mad or Ada is wise.",
        "Ada is mad or Ada is wise, but Ada is not mad, so Ada is wise.",
        "<answer>Ada is wise</answer>",
    ]
    assert terse == "<answer>Ada is wise</answer>"


@pytest.mark.parametrize("tier", NOTED)
def test_notes_put_the_same_puzzles_and_proofs_in_fewer_words(tier: str) -> None:
    prompts = sampled(n=25, tiers=[tier], depths=(1, 4), wording="notes")
    judge = build(VERIFIER, HERE)
    for trace in build(TEACHER, HERE).respond(prompts):
        query = trace.prompt.query
        assert judge.verify(query, trace.text) is True
        read = read_problem(query.text)
        assert read is not None
        assert entailed(read[0]) is not None
        proof, answer = trace.text.splitlines()
        used = proof.removeprefix("Proof: ").removesuffix(".").split(". ")
        given_ = query.text.splitlines()[0]
        assert len(used) >= query.meta["depth"]
        assert all(f" {rule}." in given_ for rule in used), "a line of the proof is a rule as it was given"
        assert used[-1].endswith(f" {query.target}")
        assert answer == f"<answer> {query.target} </answer>"
    with pytest.raises(ValidationError, match="notes can say implication, conjunction, negation; choose of these"):
        sampled(tiers=["disjunction"], wording="notes")


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_recital_has_the_facts_in_another_order_and_no_answer(wording: str) -> None:
    prompts = sampled(n=20, tiers=["negation"], wording=wording, style="recited")
    teacher = build(TEACHER, HERE)
    recited = [trace.text for trace in teacher.respond(prompts)]
    given_ = [prompt.query.text.splitlines()[0] for prompt in prompts]
    assert recited != given_
    assert [sorted(text.split(". ")) for text in map(_ended, recited)] == [
        sorted(text.split(". ")) for text in map(_ended, given_)
    ]
    assert recited == [trace.text for trace in teacher.respond(prompts)]
    assert not any(build(VERIFIER, HERE).verify(p.query, text) for p, text in zip(prompts, recited, strict=True))


def _ended(facts: str) -> str:
    """Without the head, and with ``. `` behind every fact."""
    return facts.removeprefix("Facts: ") + " "


def test_the_teacher_says_what_it_cannot_answer() -> None:
    teacher = build(TEACHER, HERE)
    with pytest.raises(UserError, match="'What is 1 \\+ 1\\?' is no problem in the form of the sampler 'scalelogic'"):
        list(teacher.respond([Prompt(Query("What is 1 + 1?", "sums"))]))
    *lines, question = sampled(n=1)[0].query.text.splitlines()
    unprovable = "\n".join([lines[0], "Statements:", "Ada is unheard", "Ada is unseen", question])
    with pytest.raises(UserError, match="none of the statements can be proved"):
        list(teacher.respond([Prompt(Query(unprovable, "t"))]))


def test_the_verifier_has_no_verdict_without_a_target() -> None:
    assert build(VERIFIER, HERE).verify(Query("?", "t"), "<answer>Ada is calm</answer>") is None


def test_scores_come_by_tier_and_depth_with_chance_format_and_interval() -> None:
    evaluator = build(EVALUATOR, HERE, tiers=["negation", "implication"], depths=(2, 3), candidates=4, n=4)
    prompts = list(evaluator.prompts())
    answers = [f"<answer>{p.query.target}</answer>" for p in prompts]
    answers[0], answers[1] = answers[0] * 2, "<answer>Nobody is here</answer>"
    answers[2] = f"<answer>{next(c for c in prompts[2].query.choices if c != prompts[2].query.target)}</answer>"
    traces = [Trace(prompt, text, model="m") for prompt, text in zip(prompts, answers, strict=True)]
    scores = list(evaluator.score(reversed(traces)))
    assert [s.task for s in scores] == ["negation-d2", "negation-d3", "implication-d2", "implication-d3"]
    first = scores[0]
    assert (first.value, first.n, first.chance, first.format_ok) == (0.25, 4, 0.25, 0.5)
    assert first.ci95[0] < 0.25 < first.ci95[1]
    assert [score.value for score in scores[1:]] == [1.0] * 3


def test_the_instances_of_an_evaluation_do_not_change_with_the_seed_of_the_run() -> None:
    one, two = (build(EVALUATOR, make_context(Path(), seed=seed), n=1) for seed in (1, 2))
    assert list(one.prompts()) == list(two.prompts()) != asked(n=1, seed=5)


STUDENT = '''
from orca_core import Component, Config, Trace, hookimpl

class FirstConfig(Config):
    """Answers with the first statement, whatever it was trained on."""

class First:
    def fit(self, examples, *, epochs, init, out):
        (out / "checkpoint").mkdir(exist_ok=True)
        (out / "checkpoint" / "config.json").write_text("{}")
        if epochs:
            (out / "metrics.jsonl").write_text('{"step": %d, "loss": 1.0}' % len(list(examples)))

    def load(self, checkpoint):
        return self

    def respond(self, prompts):
        for prompt in prompts:
            yield Trace(prompt, f"<answer>{prompt.query.choices[0]}</answer>", model="first")

@hookimpl
def orca_students():
    return [Component("first", FirstConfig, lambda config, context: First())]
'''


def test_a_whole_run_through_the_curriculum_and_its_reading(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.plugin("first", STUDENT)
    small = ("tiers=[disjunction]", "depths=[1,4]", "candidates=2")
    result = project.orca(
        "run",
        "curriculum=scalelogic",
        "sampler=scalelogic-curriculum",
        "teacher=scalelogic",
        "student=first",
        "evaluator=[scalelogic]",
        "sampler.n=40",
        "evaluator.scalelogic.n=25",
        *(f"{part}.{setting}" for part in ("sampler", "evaluator.scalelogic") for setting in small),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(project.reports()[0].read_text())
    values = {(s["subject"], s["task"]): s for s in report["scores"]}
    assert values["teacher", "average"]["value"] == 1.0
    assert values["teacher", "average"]["n"] == 100
    assert 0.3 < values["student", "average"]["value"] < 0.7
    assert values["student", "disjunction-d4"]["chance"] == 0.5
    assert [phase["prompts"] for phase in report["curriculum"]] == [10] * 4
    assert all(phase["correct"] == 10 for phase in report["curriculum"])
