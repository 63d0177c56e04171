"""The evaluator by itself: what it asks, what it makes of answers, and what it says when a task cannot be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orca_lm_eval
import pytest
from orca_lm_eval import LM_EVAL
from pydantic import ValidationError

from orca_core.errors import UserError
from orca_core.records import DEAD, Prompt, Score, Trace
from orca_core.stats import wilson
from orca_core.testing import build, check_evaluator, check_plugin, make_context
from orca_core.testing.project import Project

Make = Callable[..., Any]


@pytest.fixture
def make(folder: Path, tmp_path: Path) -> Make:
    return lambda *tasks, **config: build(LM_EVAL, make_context(tmp_path), tasks=tasks, include_path=[folder], **config)


def scored(evaluator: Any, answer: Callable[[Prompt], Trace]) -> dict[str, Score]:
    return {score.metric: score for score in evaluator.score(map(answer, evaluator.prompts()))}


def likeliest(prompt: Prompt) -> Trace:
    """Rates the gold option above all others."""
    logprobs = tuple(-1.0 if choice == f" {prompt.query.target}" else -2.0 for choice in prompt.choices)
    return Trace(prompt, "", "m", choice_logprobs=logprobs)


def says(text: str) -> Callable[[Prompt], Trace]:
    return lambda prompt: Trace(prompt, text, "m")


def test_the_plugin_keeps_the_contract() -> None:
    (component,) = check_plugin(orca_lm_eval)
    assert component.name == "lm-eval"


def test_the_evaluator_keeps_its_contract(make: Make) -> None:
    check_evaluator(make("made_contexts", "made_written"))


def test_a_document_is_one_prompt_of_raw_text_with_its_options(make: Make) -> None:
    prompts = list(make("made_options", limit=7).prompts())
    assert len({prompt.id for prompt in prompts}) == len(prompts) == 7
    assert {json.dumps(prompt.decoding) for prompt in prompts} == {'{"raw": true}'}
    assert {len(prompt.choices) for prompt in prompts} > {2, 5}
    first = prompts[0]
    assert first.query.text.count("\n\n") == 2  # after each worked example
    assert first.query.task == "made_options"
    assert f" {first.query.target}" in first.choices
    assert (prompts[4].query.text, prompts[4].sample) != (prompts[5].query.text, prompts[5].sample)


def test_documents_that_read_the_same_are_asked_one_by_one(make: Make) -> None:
    prompts = list(make("made_options", num_fewshot=0, limit=7).prompts())
    assert [prompt.sample for prompt in prompts] == [0] * 5 + [1, 0]
    assert {prompt.sample for prompt in make("made_options", limit=7).prompts()} == {0}  # worked examples differ
    drawn = list(make("made_drawn", limit=7).prompts())
    assert [prompt.sample for prompt in drawn] == [0, 1, 2] * 5 + [3, 4, 5] + [0, 1, 2]
    assert drawn[12].query.id == drawn[15].query.id


@pytest.mark.parametrize(
    ("group", "weights"), [("made_by_size", (0.8, 0.2)), ("made_by_task", (0.5, 0.5)), ("made_outer", (0.8, 0.2))]
)
def test_a_group_has_lm_eval_s_own_figures_beside_those_of_its_tasks(
    make: Make, group: str, weights: tuple[float, float]
) -> None:
    def answer(prompt: Prompt) -> Trace:
        """Right in one task, wrong in the other."""
        rates = (-2.0, -1.0) if prompt.query.task == "made_few" else (-1.0, -2.0)
        gold = prompt.query.target
        return Trace(
            prompt,
            "",
            "m",
            choice_logprobs=tuple(rates[choice != f" {gold}" and choice != gold] for choice in prompt.choices),
        )

    evaluator = make(group)
    scores = list(evaluator.score(map(answer, evaluator.prompts())))
    contexts, few = (next(s for s in scores if (s.task, s.metric) == (t, "acc")) for t in ("made_contexts", "made_few"))
    assert contexts.value != few.value
    (whole,) = (score for score in scores if score.metric.startswith("group "))
    assert (whole.task, whole.metric) == ("made_by_size" if group == "made_outer" else group, "group acc")
    assert whole.value == pytest.approx(weights[0] * contexts.value + weights[1] * few.value)
    assert whole.chance == pytest.approx(weights[0] * contexts.chance + weights[1] * few.chance)
    half = [(score.ci95[1] - score.ci95[0]) / 2 for score in (contexts, few)]
    assert whole.ci95[1] - whole.value == pytest.approx(
        ((weights[0] * half[0]) ** 2 + (weights[1] * half[1]) ** 2) ** 0.5
    )
    assert whole.n == contexts.n + few.n == 50
    assert dict(whole.items) == ({} if group == "made_by_task" else {**contexts.items, **few.items})


def test_generation_kwargs_are_demands(make: Make) -> None:
    (written,) = make("made_written", limit=1).prompts()
    assert written.decoding == {"raw": True, "max_tokens": 12, "stop": ["left", "\n\n"], "temperature": 0.0}
    (drawn, *_) = make("made_drawn", limit=1, gen_kwargs={"max_gen_toks": 99}).prompts()
    assert drawn.decoding == {"raw": True, "max_tokens": 99, "stop": ["\n"], "temperature": 0.7}


def test_as_a_chat_the_description_is_the_system_message(make: Make) -> None:
    evaluator = make("made_described", "made_letters", chat=True, num_fewshot=2)
    prompts = list(evaluator.prompts())
    described = prompts[0]
    assert (described.system, "raw" in described.decoding) == ("Answer in a word.", False)
    assert "Answer in a word." not in described.query.text
    rated = prompts[-1]
    assert (rated.system, dict(rated.decoding)) == ("", {})
    assert rated.query.target in rated.choices  # no delimiter before an answer of its own
    assert rated.query.text.count("\n\n") == 2
    answers = (replace(likeliest(p), text="nine", choice_greedy=(True,) * len(p.choices)) for p in prompts)
    assert {(score.task, score.n) for score in evaluator.score(answers)} == {
        ("made_described", 40),
        ("made_letters", 40),
    }


def test_the_gold_option_is_right_and_chance_is_the_mean_share_of_an_option(make: Make, folder: Path) -> None:
    evaluator = make("made_options", num_fewshot=0)
    traces = [
        replace(likeliest(prompt), choice_greedy=(False,) * len(prompt.choices)) for prompt in evaluator.prompts()
    ]
    scores = {score.metric: score for score in evaluator.score(iter(traces))}
    acc = scores["acc"]
    assert (acc.value, acc.n, acc.ci95, acc.format_ok) == (1, 40, wilson(40, 40), 1)
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    assert acc.chance == pytest.approx(sum(1 / len(row["options"]) for row in rows) / 40)
    assert set(acc.items) == {trace.prompt.id for trace in traces}
    assert (scores["exact_match"].value, scores["exact_match"].chance) == (0, None)


def test_answers_without_what_the_filter_reads_are_no_format(make: Make) -> None:
    scores = scored(
        make("made_written"), lambda prompt: Trace(prompt, "three" if prompt.query.target == "four" else "!", "m")
    )
    share = scores["exact_match,word"].format_ok
    assert share is not None
    assert 0 < share < 0.5
    assert scores["exact_match,whole"].format_ok == 1


def test_a_figure_that_is_no_share_has_an_interval_around_it(make: Make) -> None:
    evaluator = make("made_last", "made_contexts")
    traces = [
        replace(likeliest(p), choice_logprobs=(-len(p.query.text) / 50,), choice_greedy=(True,))
        for p in evaluator.prompts()
    ]
    for score in evaluator.score(iter(traces)):
        if score.metric in ("perplexity", "brier_score"):
            assert score.ci95[0] < score.value < score.ci95[1], score.metric
            assert score.chance is None


def test_greediness_is_asked_of_those_who_tell(make: Make) -> None:
    assert scored(make("made_contexts"), likeliest)["acc"].n == 40  # which does not depend on it
    with pytest.raises(UserError, match=r"'made_last' scores whether .* greedy .* of m do not tell"):
        scored(make("made_last"), likeliest)


def test_answers_without_likelihoods_are_an_error_that_names_who_gave_them(make: Make) -> None:
    with pytest.raises(
        UserError, match="'made_contexts' needs the likelihoods of given continuations, which m does not"
    ):
        scored(make("made_contexts"), says("A"))
    with pytest.raises(UserError, match=r"document 0: .* as m gave no answer: too hot"):
        scored(make("made_contexts"), lambda prompt: Trace(prompt, "", "m", DEAD, error="too hot"))


def test_answers_to_other_questions_are_an_error(make: Make) -> None:
    evaluator = make("made_written", limit=3)
    traces = [Trace(prompt, "", "m") for prompt in evaluator.prompts()]
    with pytest.raises(UserError, match="'made_written', document 2: no answer was recorded"):
        list(evaluator.score(traces[:2]))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("made_rolling", r"'made_rolling' asks for the likelihood of whole documents \(loglikelihood_rolling\)"),
        ("made_beams", r"'made_beams' wants num_beams=4 of its answers"),
        ("made_lost", r"'made_lost': its data could not be loaded: .*nowhere.jsonl"),
        ("made_wrong", r"'made_wrong' cannot be built: TemplateSyntaxError"),
    ],
)
def test_a_task_that_cannot_be_asked_says_why(make: Make, task: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(make(task).prompts())


def test_a_task_named_twice_is_an_error(make: Make) -> None:
    with pytest.raises(UserError, match="made_last is there twice"):
        list(make("made_last", "made_last").prompts())


def test_an_unknown_task_is_an_error_with_the_nearest_name(make: Make) -> None:
    with pytest.raises(UserError, match="no task, group or tag 'hellaswagg'; did you mean 'hellaswag'"):
        list(make("made_last", "hellaswagg").prompts())


def test_a_folder_that_is_not_there_and_another_version_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="is no folder"):
        build(LM_EVAL, make_context(tmp_path), tasks=["a"], include_path=[tmp_path / "none"])
    with pytest.raises(ValidationError, match=r"is installed, not 0\.0\.1"):
        build(LM_EVAL, make_context(tmp_path), tasks=["a"], harness="0.0.1")


RUN = (
    "curriculum=single",
    "sampler=reasoning",
    "sampler.families=[navigate]",
    "sampler.n=24",
    "student=tiny",
    "student.model={hidden_size: 32, layers: 1, heads: 2, intermediate_size: 48, vocab_size: 320, positions: 1024}",
    "evaluator=[lm-eval]",
    "evaluator.lm-eval.limit=12",
    "curriculum.teacher.epochs=0",  # trained or not, it is asked the same way, and training takes long to begin
    "subjects=[student]",
)


def test_a_run_scores_the_student_by_the_tasks(folder: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    tasks, where = "[made_options,made_last,made_written]", f"evaluator.lm-eval.include_path=[{folder}]"
    done = project.orca("run", *RUN, f"evaluator.lm-eval.tasks={tasks}", where, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    scores = json.loads(project.reports()[-1].read_text())["scores"]
    assert {(row["task"], row["metric"]) for row in scores if row["n"] == 12 and row["subject"] == "student"} == {
        ("made_options", "acc"),
        ("made_options", "acc_norm"),
        ("made_options", "exact_match"),
        ("made_last", "acc"),
        ("made_last", "perplexity"),
        ("made_written", "exact_match,word"),
        ("made_written", "exact_match,whole"),
    }
