"""Prompts that get no answer, and where that ends: with the prompt, with an endpoint, or with the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from orca_litellm.asking.pulse import IN_A_ROW

from orca_core import Prompt, Query, UserError
from orca_core.records import DEAD
from orca_core.responses import FILE, ResponseLog, request_key
from orca_core.testing import FakeOpenAI, Request, faults
from orca_core.testing.http import Response
from orca_core.testing.tls import self_signed


def log_of(cache: Path) -> ResponseLog:
    return ResponseLog(cache / FILE)


OF_THE_PROMPT = {
    "prompt too long: .*maximum context length": faults.context_length(),
    "not accepted: .*400": faults.http_error(400, "invalid_prompt"),
    "prompt too long: .*413": faults.http_error(413, "too_large"),
}


@pytest.mark.parametrize("reason", OF_THE_PROMPT)
def test_a_prompt_that_cannot_be_answered_is_a_dead_letter_and_the_others_go_on(
    make_teacher, prompts, reason, tmp_path
):
    asked = prompts(6)
    with FakeOpenAI(script=[OF_THE_PROMPT[reason]]) as server:
        traces = {t.prompt.id: t for t in make_teacher(server, workers=1).respond(asked)}
        assert len(server.chats) == 6, "it is not tried again"
    first = traces.pop(asked[0].id)
    assert (first.finish_reason, first.text) == (DEAD, "")
    assert [t.finish_reason for t in traces.values()] == ["stop"] * 5
    assert re.search(reason, first.error)
    with log_of(tmp_path) as log:
        key = request_key("openai/fake", asked[0].messages, {})
        (letter,) = log.dead_letters([key]).values()
        assert (letter.text, letter.attempts) == (first.error, 1)


def test_a_prompt_whose_attempts_are_used_up_is_a_dead_letter(make_teacher, prompts):
    with FakeOpenAI(rates={faults.http_error(500): 1.0}) as server:
        (trace,) = make_teacher(server, retries=2).respond(prompts(1))
        assert len(server.chats) == 3
    assert trace.error.startswith("no usable answer to 3 attempts, the last time: HTTP 500: ")


def test_the_same_teacher_does_not_try_it_again_and_the_next_one_does(make_teacher, prompts):
    asked = prompts(3)
    with FakeOpenAI(script=[faults.context_length()]) as server:
        teacher = make_teacher(server, workers=1)
        first = {t.prompt.id: t for t in teacher.respond(asked)}
        again = {t.prompt.id: t for t in teacher.respond(asked)}
        assert first == again
        assert len(server.chats) == 3
        healed = list(make_teacher(server).respond(asked))
        assert len(server.chats) == 4
    assert {t.finish_reason for t in healed} == {"stop"}


def test_after_so_many_dead_letters_in_a_row_the_run_stops(make_teacher, prompts):
    with FakeOpenAI(rates={faults.context_length(): 1.0}) as server:
        with pytest.raises(UserError, match=rf"none of the last {IN_A_ROW} prompts.*too long"):
            list(make_teacher(server, workers=4).respond(prompts(200)))
        assert IN_A_ROW <= len(server.chats) < 60


def test_dead_letters_between_answers_do_not_stop_it(make_teacher, prompts):
    def answer(number: int) -> faults.Fault | None:
        return faults.context_length() if number % 5 else None

    with FakeOpenAI(script=[answer(number) for number in range(120)]) as server:
        traces = list(make_teacher(server, workers=1).respond(prompts(120)))
    assert sum(t.finish_reason == DEAD for t in traces) == 96


def test_an_endpoint_that_is_down_is_named(make_teacher, prompts):
    teacher = make_teacher(api_base="http://127.0.0.1:9/v1", retries=1)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9/v1 cannot be reached.*Connect.*Is it up"):
        list(teacher.respond(prompts(100)))


def test_nobody_answers_at_all_and_the_run_stops_without_asking_every_prompt(make_teacher, prompts):
    with FakeOpenAI(rates={faults.dropped(0): 1.0}) as server:
        with pytest.raises(UserError, match=r"no usable answer to \d+ attempts.*connection was lost"):
            list(make_teacher(server, retries=3, workers=4).respond(prompts(1000)))
        assert IN_A_ROW <= len(server.chats) < 60


def test_a_few_prompts_that_no_server_survives_are_not_held_against_it(make_teacher, prompts):
    with FakeOpenAI(rates={faults.http_error(500): 1.0}) as server:
        traces = list(make_teacher(server, retries=4).respond(prompts(IN_A_ROW - 1)))
        assert len(server.chats) == 5 * (IN_A_ROW - 1)
    assert {t.finish_reason for t in traces} == {DEAD}


def test_one_endpoint_of_two_may_refuse_the_key(make_teacher, prompts, key, monkeypatch):
    monkeypatch.setenv("WRONG_KEY", "sk-wrong-0123456789")
    with FakeOpenAI(key=key) as left, FakeOpenAI(key=key) as right:
        endpoints = [
            {"name": "left", "api_base": left.url, "api_key_env": "WRONG_KEY"},
            {"name": "right", "api_base": right.url, "api_key_env": "MY_KEY"},
        ]
        traces = list(make_teacher(endpoints=endpoints, workers=1).respond(prompts(20)))
        assert [len(left.requests), right.billed] == [1, 20]
    assert {t.finish_reason for t in traces} == {"stop"}


def test_all_endpoints_refuse_and_each_is_named(make_teacher, prompts, key):
    with FakeOpenAI(key="another") as left, FakeOpenAI(rates={faults.http_error(402, "no_money"): 1.0}) as right:
        endpoints = [
            {"name": name, "api_base": server.url, "api_key_env": "MY_KEY"}
            for name, server in (("left", left), ("right", right))
        ]
        with pytest.raises(
            UserError, match=r"refused the key(.|\n)*out of credit|out of credit(.|\n)*refused the key"
        ) as error:
            list(make_teacher(endpoints=endpoints, workers=1).respond(prompts(20)))
    assert key not in str(error.value)
    assert left.url in str(error.value)
    assert right.url in str(error.value)


def test_a_deployment_has_a_model_of_its_own_and_the_reply_names_the_endpoint(make_teacher, prompts, tmp_path):
    asked = prompts(8)
    with FakeOpenAI(models=["one"], latency=0.1) as left, FakeOpenAI(models=["two"], latency=0.1) as right:
        endpoints = [
            {"name": "left", "api_base": left.url, "model": "openai/one", "weight": 3},
            {"name": "right", "api_base": right.url, "model": "openai/two"},
        ]
        traces = list(make_teacher(endpoints=endpoints, workers=8).respond(asked))
        assert (left.billed, right.billed) == (6, 2)
    assert {t.model for t in traces} == {"openai/fake"}, "the answers are the teacher's, wherever they came from"
    with log_of(tmp_path) as log:
        replies = log.get_many([request_key("openai/fake", p.messages, {}) for p in asked]).values()
    assert sorted({reply["endpoint"] for reply in replies}) == ["left", "right"]


def test_a_reply_of_ten_megabytes_is_no_reply(make_teacher, prompts, tmp_path):
    with FakeOpenAI(script=[faults.huge()]) as server:
        (trace,) = make_teacher(server).respond(prompts(1))
        assert len(server.chats) == 2
    assert trace.finish_reason == "stop"
    with log_of(tmp_path) as log:
        assert log.maybe_billed().count == 1


def test_an_empty_prompt_is_sent_and_what_the_server_says_of_it_is_kept(make_teacher):
    refusing = faults.http_error(400, "empty_message")
    with FakeOpenAI(script=[refusing]) as server:
        (trace,) = make_teacher(server).respond([Prompt(Query("", task="t"))])
        assert server.chats[0].body["messages"] == [{"role": "user", "content": ""}]
    assert trace.error.startswith("not accepted: HTTP 400")


def test_a_redirect_is_not_followed(make_teacher, prompts, key):
    async def elsewhere(request: Request) -> Response:
        return Response(b"", 307, {"Location": f"{stranger.url}/chat/completions?secret"})

    with FakeOpenAI() as stranger, FakeOpenAI() as server:
        server.routes["POST", "/v1/chat/completions"] = elsewhere
        with pytest.raises(UserError, match=r"HTTP 307, it redirects to \S+/chat/completions\."):
            list(make_teacher(server, api_key_env="MY_KEY").respond(prompts(1)))
        assert stranger.requests == [], "the key is not for a stranger"


def test_an_unsupported_setting_is_refused_before_any_request_and_named(make_teacher, prompts):
    with FakeOpenAI() as server:
        with pytest.raises(UserError, match=r"top_p = 0.5: openai/o3 does not take it.*teacher.top_p=null"):
            list(make_teacher(server, model="openai/o3", top_p=0.5).respond(prompts(1)))
        assert server.requests == []


def test_a_certificate_that_nobody_vouches_for_stops_at_once(make_teacher, prompts, tmp_path):
    with FakeOpenAI(tls=self_signed(tmp_path)) as server:
        with pytest.raises(UserError, match=r"secure connection(.|\n)*SSL_CERT_FILE"):
            list(make_teacher(server).respond(prompts(9)))
        assert server.requests == []
    with log_of(tmp_path) as log:
        assert log.maybe_billed().count == 0
