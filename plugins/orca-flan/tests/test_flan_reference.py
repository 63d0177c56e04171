"""The teacher `reference`, and the verifier of targets that are one of several or of many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orca_flan.reference import REFERENCE
from orca_flan.verifier import FLAN_ANSWER, FlanVerifier

from orca_core import Prompt, Query, Trace
from orca_core.records import DEAD
from orca_core.testing import build, make_context
from orca_core.verify import AnswerVerifier

WHY = {"explanation": "Bonds form when molecules react. \n"}
LONG = "The cat sat on the mat and then it slept."


def ask(query: Query, **config: Any) -> Trace:
    (trace,) = build(REFERENCE, make_context(Path()), **config).respond([Prompt(query, "Be kind to me.")])
    return trace


@pytest.mark.parametrize(
    ("query", "explained", "alone"),
    [
        (Query("q", "t", target="(C)", choices=("a", "b", "c"), meta=WHY), "{}\n\nThe answer is (C).", "(C)"),
        (Query("q", "t", target="42", meta=WHY), "{}\n\nThe answer is 42.", "42"),
        (Query("q", "t", target="the end.", meta=WHY), "{}\n\nThe answer is the end.", "the end."),
        (Query("q", "t", target=" yes\n"), "The answer is yes.", "yes"),
        (Query("q", "t", target=LONG, meta=WHY), "{}\n\nMy answer:\n" + LONG, LONG),
        (Query("q", "t", target="Why so?"), "Why so?", "Why so?"),
    ],
)
def test_the_reference_explains_and_states_the_target_or_states_it_alone(
    query: Query, explained: str, alone: str
) -> None:
    assert ask(query).text == explained.format(WHY["explanation"].strip())
    assert ask(query, style="answer").text == alone
    for trace in (ask(query), ask(query, style="answer")):
        assert AnswerVerifier().verify(query, trace.text) is True
        assert (trace.cost_usd, trace.prompt_tokens, trace.completion_tokens) == (0.0, 5, len(trace.text.split()))
    assert ask(query).model != ask(query, style="answer").model, "reports tell them apart"


def test_a_query_without_a_target_is_a_dead_letter() -> None:
    trace = ask(Query("q", "t", meta=WHY))
    assert (trace.finish_reason, trace.text) == (DEAD, "")
    assert "no answer" in trace.error


def test_the_reference_tells_beforehand_how_much_it_writes_and_how_many_queries_have_no_target() -> None:
    teacher = build(REFERENCE, make_context(Path()))
    prompts = [Prompt(Query("q", "t", target="yes")), Prompt(Query("q two", "t"))]
    estimate = teacher.estimate(prompts)
    assert (estimate.prompts, estimate.completion_tokens, estimate.cost_usd) == (2, 4, 0.0)
    assert "1 of the queries have no gold target" in estimate.notes[0]


@pytest.mark.parametrize(
    ("target", "more", "answer", "verdict"),
    [
        ("Paris", ["Lutetia"], "The answer is Lutetia.", True),
        ("Paris", ["Lutetia"], "The answer is Rome.", False),
        (LONG, [], LONG, True),
        (LONG, [], "A cat slept on a mat.", None),
        ("Paris", [LONG], "A cat slept on a mat.", None),
        ("Who is it?", [], "What is it?", None),
        ("7", [], "The answer is 8.", False),
    ],
)
def test_an_answer_is_wrong_only_where_there_is_no_other_that_is_as_good(
    target: str, more: list[str], answer: str, verdict: bool | None
) -> None:
    verifier = build(FLAN_ANSWER, make_context(Path()))
    assert verifier.verify(Query("q", "t", target=target, meta={"targets": more}), answer) is verdict


def test_a_long_option_is_one_of_a_few_and_not_of_many() -> None:
    query = Query("q", "t", target=LONG, choices=(LONG, "The dog barked at it."))
    assert FlanVerifier().verify(query, "The answer is (B).") is False
    assert FlanVerifier().verify(query, "The answer is (A).") is True
    assert FlanVerifier().verify(Query("q", "t"), "anything") is None


def test_a_target_that_explains_before_it_names_an_option_is_reached_by_that_option() -> None:
    query = Query("q", "t", target="(A) is cold. So the final answer is (B).", choices=("ice", "fire"))
    assert FlanVerifier().verify(query, "Fire is hot. The answer is (B).") is True
    assert FlanVerifier().verify(query, "The answer is fire") is True
    assert FlanVerifier().verify(query, "The answer is (A).") is False
