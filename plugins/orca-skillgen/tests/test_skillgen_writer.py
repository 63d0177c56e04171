"""A model as the writer, behind the loopback chat server: recorded replies, good and malformed ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from skillgen_parts import questions, skilled, verification

from orca_core.testing import FakeOpenAI, faults

HYPOTHESES = json.dumps(
    [
        {"when": "digits >= 4", "do": "Add column by column and carry.", "avoid": "Do not guess the sum at once."},
        {"when": "always", "do": "Check the last digit.", "avoid": ""},
    ]
)
PAGE = """```markdown
---
name: long-addition
description: "Add long numbers by columns"
when: digits >= 4
---

## When it applies
Sums of numbers of four digits and more.

## What works
Add column by column from the right and write down each carry.

## What fails
Naming the sum at a glance.
```"""
EVERYWHERE = PAGE.replace("when: digits >= 4", "when: always")
Learn = Callable[..., tuple[Any, FakeOpenAI]]


@pytest.fixture
def learn(tmp_path: Path) -> Iterator[Learn]:
    """Has the hasty adder learn a skill from a model with these replies."""
    servers: list[FakeOpenAI] = []

    def do(*replies: str, script: Any = (), teacher: Any = None, **settings: Any) -> tuple[Any, FakeOpenAI]:
        left = list(replies)
        server = FakeOpenAI(lambda messages: left.pop(0), script=script)
        servers.append(server.__enter__())
        writer = {"name": "chat", "url": server.url} if teacher is None else {**teacher, "api_base": server.url}
        learner = skilled(tmp_path, writer, **settings)
        learner.skill()
        assert left == [], "every reply was asked for"
        return learner, server

    yield do
    for server in servers:
        server.__exit__(None, None, None)


def asked(server: FakeOpenAI) -> list[str]:
    return [request.body["messages"][-1]["content"] for request in server.chats]


def test_a_skill_that_a_model_writes_is_verified_and_used(learn: Learn, tmp_path: Path) -> None:
    teacher, server = learn(HYPOTHESES, PAGE)
    facts = verification(teacher)
    assert facts["verdict"] == "accepted"
    assert facts["writer"] == {"replies": 2, "malformed": 0, "problems": []}
    first, second = asked(server)
    assert first.count("WRONG\n") == first.count("RIGHT\n") == 8, "it sees contrasted pairs"
    assert "Right would be:" in first
    assert "Add column by column and carry." in second, "the page is written from the hypotheses"
    long = next(p for p in questions(tmp_path) if p.query.task == "long_sums")
    assert "column by column" in next(teacher.respond([long])).text


def test_a_reply_that_cannot_be_read_is_asked_for_once_more_with_what_is_wrong(learn: Learn) -> None:
    no_section = PAGE.replace("## What fails", "## Pitfalls")
    teacher, server = learn(f"Sure! {HYPOTHESES}", HYPOTHESES, no_section, PAGE)
    facts = verification(teacher)
    assert facts["verdict"] == "accepted"
    assert (facts["writer"]["replies"], facts["writer"]["malformed"]) == (4, 2)
    assert "could not be used: not JSON" in asked(server)[1]
    assert "the sections are" in asked(server)[3]


@pytest.mark.parametrize(
    ("replies", "verdict"),
    [
        (("I cannot help with that.", "[]]"), "the writer has no hypothesis that can be read"),
        ((HYPOTHESES, "Here is the page.", "---"), "the writer wrote no readable page"),
        (("[]",), "the writer has no hypothesis that can be read"),
        ((HYPOTHESES, "NONE"), "the writer wrote no readable page"),
    ],
)
def test_a_second_such_reply_ends_it_and_the_teacher_stays_as_it_is(
    learn: Learn, tmp_path: Path, replies: tuple[str, ...], verdict: str
) -> None:
    teacher, _ = learn(*replies)
    facts = verification(teacher)
    assert facts["verdict"] == f"refused: {verdict}"
    assert facts["writer"]["malformed"] == (2 if len(replies) > 1 and "NONE" not in replies else 0)
    prompts = questions(tmp_path, 20)
    assert [t.text for t in teacher.respond(prompts)] == [t.text for t in teacher.base.respond(prompts)]


def test_a_refused_page_is_written_anew_from_what_it_repaired_and_broke(learn: Learn) -> None:
    teacher, server = learn(HYPOTHESES, EVERYWHERE, PAGE)
    facts = verification(teacher)
    assert facts["verdict"] == "accepted"
    assert [bool(one["refused"]) for one in facts["rounds"]] == [True, False]
    again = asked(server)[2]
    assert f"It was refused: {facts['rounds'][0]['refused']}." in again
    assert 0 < again.index("It repaired:") < again.index("It broke:") < again.index("Write the next version")


def test_a_writer_that_gives_no_reply_at_all_is_a_counted_failure(learn: Learn) -> None:
    teacher, _ = learn(script=[faults.http_error(500)] * 2)
    facts = verification(teacher)
    assert facts["writer"]["malformed"] == 2
    assert all("no reply" in problem for problem in facts["writer"]["problems"])


def test_any_teacher_writes_and_one_that_keeps_its_replies_is_not_asked_again_for_another_gate(learn: Learn) -> None:
    pytest.importorskip("orca_litellm", reason="needs the plugin orca-litellm installed")
    node = {"name": "litellm", "model": "openai/writer", "retries": 0}
    teacher, first = learn(HYPOTHESES, PAGE, teacher=node)
    assert verification(teacher)["verdict"] == "accepted"
    again, second = learn(teacher=node, gate="released")
    assert verification(again)["verdict"] == "accepted"
    assert (len(first.chats), len(second.chats)) == (2, 0)
