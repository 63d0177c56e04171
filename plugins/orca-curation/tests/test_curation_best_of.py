"""The best of the answers to one prompt."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_curation import BEST_OF

from orca_core import Prompt, Query, Trace
from orca_core.testing import build, check_selector, make_context

CONTEXT = make_context(Path())
REASON = "not the best of its prompt"


def samples(*answers: str | dict[str, Any], choices: tuple[str, ...] = (), query: str = "q") -> list[Trace]:
    asked = Query(query, "task", choices=choices)
    fields = [{"text": given} if isinstance(given, str) else given for given in answers]
    return [Trace(Prompt(asked, sample=k), model="m", **given) for k, given in enumerate(fields)]


def kept(traces: list[Trace], **config: Any) -> list[int]:
    verdicts = check_selector(build(BEST_OF, CONTEXT, **config), traces)
    assert {reason for _, reason in verdicts} <= {None, REASON}
    return [place for place, (_, reason) in enumerate(verdicts) if reason is None]


def test_a_right_answer_comes_before_everything_else() -> None:
    traces = samples(
        {"text": "The answer is 4.", "correct": False},
        {"text": "The answer is 4.", "correct": False},
        {"text": "The answer is 5, I", "correct": True, "finish_reason": "length"},
    )
    assert kept(traces) == [2]


def test_a_finished_answer_comes_before_one_that_was_cut_off_and_that_before_none_at_all() -> None:
    dead, cut, done = {"text": "", "finish_reason": "error"}, {"text": "a", "finish_reason": "length"}, {"text": "b"}
    assert kept(samples(dead, cut, done), prefer="first") == [2]
    assert kept(samples(dead, cut), prefer="first") == [1]
    assert kept(samples(dead, dead)) == [0], "finished is the selector that drops these"


def test_no_wrong_answer_is_kept_beside_a_right_one_even_if_more_are_wanted() -> None:
    right, wrong = {"text": "r", "correct": True}, {"text": "w", "correct": False}
    assert kept(samples(wrong, right, wrong), keep=2) == [1]
    assert kept(samples(wrong, wrong, wrong), keep=2) == [0, 1], "correct is the selector that drops these"


@pytest.mark.parametrize(("prefer", "place"), [("first", 0), ("shortest", 2), ("longest", 1)])
def test_a_preference_decides_among_equally_good_ones(prefer: str, place: int) -> None:
    assert kept(samples("aaa", "aaaaa", "a", "bbbbb", "b"), prefer=prefer) == [place]


@pytest.mark.parametrize(
    ("answers", "choices", "place"),
    [
        (["It is 12.\nThe answer is 12 pears.", "So the answer is: 7", "7 pears are left.\n\nThe answer is 7."], (), 1),
        (["The answer is Rome.", "Paris, I think.\nAnswer: Paris", "The answer is paris"], (), 1),
        (["The answer is (A).", "The answer is (B).", "I choose no.\nAnswer: no"], ("yes", "no"), 1),
        (["7", "1,000", "1000"], (), 1),
        (["red", "blue", "Blue."], (), 1),
        (["red", "blue", "green"], (), 0),
        (["", "", "blue"], (), 2),
    ],
)
def test_the_majority_of_what_is_stated_wins_however_it_is_put(
    answers: list[str], choices: tuple[str, ...], place: int
) -> None:
    assert kept(samples(*answers, choices=choices)) == [place]


def test_an_answer_that_was_cut_off_has_no_vote() -> None:
    cut = {"text": "The answer is 3", "finish_reason": "length"}
    assert kept(samples("The answer is 4.", "The answer is 3.", cut, cut)) == [0]


def test_each_prompt_is_judged_on_its_own() -> None:
    traces = [*samples("a", "b", query="1"), *samples("c", query="2"), *samples("d", "e", "f", query="3")]
    assert kept(traces, prefer="first") == [0, 2, 3]
    with_message = [Trace(Prompt(Query("1", "task"), system), "a", "m") for system in ("", "s")]
    assert kept(with_message) == [0, 1], "another message is another prompt"


ANSWERS = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["The answer is 1.", "The answer is 2.", "1", "", "long answer: 2"]),
        "correct": st.sampled_from([True, False, None]),
        "finish_reason": st.sampled_from(["stop", "length", "error"]),
    }
)


@settings(deadline=None)
@given(
    groups=st.lists(st.lists(ANSWERS, min_size=1, max_size=5), max_size=5),
    keep=st.integers(1, 3),
    prefer=st.sampled_from(["majority", "shortest", "longest", "first"]),
)
def test_of_every_prompt_as_many_as_wanted_are_kept_and_none_worse_than_one_dropped(
    groups: list[list[dict[str, Any]]], keep: int, prefer: str
) -> None:
    traces = [trace for number, group in enumerate(groups) for trace in samples(*group, query=str(number))]
    chosen = set(kept(traces, keep=keep, prefer=prefer))
    for _, numbered in groupby(enumerate(traces), lambda pair: pair[1].prompt.query.text):
        group = list(numbered)
        right = [place for place, trace in group if trace.correct]
        inside = [trace for place, trace in group if place in chosen]
        assert len(inside) == min(keep, len(right) or len(group))
        if right:
            assert all(trace.correct for trace in inside)
        finished = sum(trace.finish_reason == "stop" for place, trace in group if not right or place in right)
        assert sum(trace.finish_reason == "stop" for trace in inside) == min(finished, len(inside))
