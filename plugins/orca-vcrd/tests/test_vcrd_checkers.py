"""Each checker against cases whose validity is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from http.client import HTTPException
from math import exp, isnan
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

import pytest
from orca_vcrd.asked import JudgeChecker, LikelihoodChecker, read_mark
from orca_vcrd.checkers import Outcome, Symbolic
from orca_vcrd.places import Case, Place, Step
from orca_vcrd.policy import Policy

from orca_core.app import load_plugins
from orca_core.errors import UserError
from orca_core.records import DEAD, Prompt, Query, Trace
from orca_core.testing import FakeOpenAI, build, faults, make_context
from orca_core.verify import AnswerVerifier

TRACE = Trace(Prompt(Query("3 8 1 4", "chains_4", target="6")), "1 1 4 ; 2 4 ; 6", "test")
OTHER = Trace(Prompt(Query("9 9", "chains_2", target="8")), "9", "test")


def case(step: str, before: str = "1 1 4 ;", *, ended: bool = False, answer: int = 0) -> Case:
    """A step whose tokens are its letters."""
    return Case(answer, tuple(map(ord, before)), before, Step(tuple(map(ord, step)), step, ended))


def place(teacher: str, student: str | None, **told: Any) -> Place:
    return Place(case(teacher, **told), None if student is None else case(student, **told))


def symbolic() -> Symbolic:
    verifier = load_plugins().find("verifier", "chain-steps").component
    return Symbolic(build(verifier, make_context(Path())), [TRACE, OTHER])


def test_the_symbolic_checker_asks_a_verifier_of_steps() -> None:
    places = [
        place(" 2 4 ;", " 1 5 ;"),
        place(" 3 4 ;", " 2 4 ;"),
        place(" 2 4 ;", ""),  # it ends instead of going on, behind a step that is valid
        place("9", "8", before="", ended=True, answer=1),
    ]
    assert symbolic().check(places) == [(1, 1), (0, 1), (1, 0), (0, 1)]
    told = symbolic().check([place(" 2 4 ;", None)])[0]
    assert told.teacher == 1
    assert isnan(told.student)


class Writer:
    """A policy whose continuations are known by the step that they go on from."""

    def __init__(self, ways: dict[str, list[str]]) -> None:
        self.ways, self.asked = ways, list[str]()

    def finished(self, cases: Sequence[Case], seeds: Any, *, count: int, temperature: float) -> list[list[str]]:
        self.asked += [one.step.text for one in cases]
        return [[one.before + one.step.text + rest for rest in self.ways[one.step.text][:count]] for one in cases]


def outcome(writer: Writer, count: int, *, trust: bool) -> Outcome:
    def verdict(trace: Trace, text: str) -> bool | None:
        return AnswerVerifier().verify(trace.prompt.query, text)

    told: dict[str, Any] = {"count": count, "temperature": 1.0, "seeds": lambda one: [one.answer], "trust": trust}
    return Outcome(cast(Policy, writer), verdict, [TRACE, OTHER], **told)


def test_monte_carlo_is_the_share_of_continuations_that_reach_the_target() -> None:
    writer = Writer({" 2 4 ;": [" 6", " 6", " 5", " 6"], " 9 9 ;": [" 8", " 8", " 8", " 8"], " x": []})
    found = outcome(writer, 4, trust=False).check([place(" 2 4 ;", " 9 9 ;"), place(" 2 4 ;", " 2 4 ;")])
    assert found == [(0.75, 0.0), (0.75, 0.75)]
    assert writer.asked == [" 2 4 ;", " 9 9 ;"], "each step once"
    assert isnan(outcome(writer, 4, trust=False).check([place(" x", None)])[0].teacher), "no room to go on"


def test_a_step_that_ends_the_answer_is_judged_by_it() -> None:
    writer = Writer({})
    found = outcome(writer, 4, trust=False).check([place(" 6", " 5", before="1 1 4 ; 2 4 ;", ended=True)])
    assert found == [(1, 0)]
    assert writer.asked == []


def test_the_answer_checker_takes_the_teachers_right_answer_for_a_continuation() -> None:
    writer = Writer({" 1 5 ;": [" 6"], " 7 ;": [" 7"], "9": [" 1"], "8": [""]})
    found = outcome(writer, 1, trust=True).check([place(" 2 4 ;", " 1 5 ;"), place(" 2 4 ;", " 7 ;")])
    assert found == [(1, 1), (1, 0)]
    assert writer.asked == [" 1 5 ;", " 7 ;"], "the trace is right, so its steps need no continuation"
    wrong = outcome(writer, 1, trust=True).check([place("9", "8", before="", answer=1)])
    assert wrong == [(0, 1)], "the trace is wrong, so its steps are gone on from"


def test_without_a_target_nobody_can_tell() -> None:
    bare = replace(TRACE, prompt=Prompt(replace(TRACE.prompt.query, target=None)))
    checker = outcome(Writer({" 2 4 ;": [" 6"]}), 1, trust=True)
    checker.examples = [bare]
    assert isnan(checker.check([place(" 2 4 ;", None)])[0].teacher)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Score: 7", 0.7),
        ("It is fine.\n**Score:** 10/10", 1.0),
        ("score = 2.5", 0.25),
        ("First I thought Score: 3, but Score: 9", 0.9),
        ("Score: 11", None),
        ("Score: -1", None),
        ("I give it seven.", None),
        ("7", None),
        ("", None),
    ],
)
def test_a_mark_is_read_or_it_is_not(text: str, mark: float | None) -> None:
    assert read_mark(Trace(TRACE.prompt, text, "judge")) == mark
    assert read_mark(Trace(TRACE.prompt, text, "judge", DEAD, error="gone")) is None


class Chat:
    """A teacher behind a chat server; a reply that is no completion makes a dead letter."""

    def __init__(self, url: str) -> None:
        self.url = url

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            body = json.dumps({"model": "fake", "messages": prompt.messages}).encode()
            request = Request(f"{self.url}/chat/completions", body, {"Content-Type": "application/json"})
            try:
                with urlopen(request, timeout=10) as reply:
                    yield Trace(prompt, json.load(reply)["choices"][0]["message"]["content"], "fake")
            except (OSError, HTTPException, ValueError) as error:
                yield Trace(prompt, "", "fake", DEAD, error=str(error))


def test_a_judge_over_http_marks_steps_and_is_asked_again_when_it_cannot_be_read() -> None:
    """Of its replies one is chatter, one empty, one an error, one cut in mid body, one a mark that cannot be."""
    marks = {
        "2 4 ;": "Score: 10",
        "1 5 ;": "Score: 8",
        "7 ;": "Score: 99",
        "6 ;": "",
        "8 ;": "Certainly! It is very good.",
    }

    def step(messages: Sequence[Any]) -> str:
        return str(messages[-1]["content"]).split("The next step:\n")[1].split("\n")[0]

    with FakeOpenAI(
        lambda messages: marks[step(messages)], script=[faults.http_error(500), faults.malformed()]
    ) as server:
        checker = JudgeChecker(Chat(server.url), [TRACE])
        first = checker.check([place(" 2 4 ;", " 1 5 ;"), place(" 7 ;", " 8 ;"), place(" 6 ;", " 2 4 ;")])
        again = checker.check([place(" 1 5 ;", " 2 4 ;")])
    assert first[0] == (1.0, 0.8)
    assert isnan(first[1].teacher)
    assert isnan(first[1].student)
    assert isnan(first[2].teacher)
    assert first[2].student == 1.0
    assert again == [(0.8, 1.0)]
    asked = Counter(step(request.body["messages"]) for request in server.chats)
    assert asked == dict.fromkeys(marks, 2), "a second time where the first was of no use, never again"


class Rater:
    """A teacher that tells how likely it finds continuations: a nat for each letter that is no digit, a tenth for others."""

    def __init__(self) -> None:
        self.asked: list[Prompt] = []

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            self.asked.append(prompt)
            told = tuple(-sum(0.1 if letter in "0123456789" else 1.0 for letter in text) for text in prompt.choices)
            yield Trace(prompt, "", "rater", choice_logprobs=told)


def test_likelihood_holds_the_students_step_against_the_teachers() -> None:
    rater = Rater()
    places = [place("24", "xy"), place("xy", "24"), place("24", "24"), place("24", ""), place("24", None)]
    found = LikelihoodChecker(rater, [TRACE]).check(places)
    assert [one.teacher for one in found] == [1.0] * 5
    assert found[0].student == pytest.approx(exp(-0.9)), "per token"
    assert [one.student for one in found[1:4]] == [1.0, 1.0, 0.0]
    assert isnan(found[4].student)
    assert len(rater.asked) == 2, "where there is something to compare"
    assert rater.asked[0].choices == ("1 1 4 ;24", "1 1 4 ;xy", "1 1 4 ;")
    first = LikelihoodChecker(rater, [TRACE]).check([place("24", "x", before="")])
    assert first[0].student == pytest.approx(exp(-0.9))


def test_a_teacher_that_tells_no_likelihoods_is_refused() -> None:
    class Mute:
        def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
            return (Trace(prompt, "hm", "mute") for prompt in prompts)

    with pytest.raises(UserError, match=r"mute does not tell how likely.*validity=judge"):
        LikelihoodChecker(Mute(), [TRACE]).check([place("24", "xy")])
