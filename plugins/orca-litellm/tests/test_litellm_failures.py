"""What goes wrong on the way: which failures are asked again, which stop the run, and what they say."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from orca_litellm.failures import LONGEST_WAIT_S, backoff, retry_after

from orca_core import UserError
from orca_core.testing import FakeOpenAI, faults

# litellm leaves a coroutine behind when a call is cancelled in its first instants; pytest resets the filter of via_litellm.py.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .*completion.* was never awaited:RuntimeWarning")

PASSING = {
    "500": faults.http_error(500),
    "503": faults.http_error(503, "overloaded"),
    "408": faults.http_error(408, "timeout"),
    "409": faults.http_error(409, "conflict"),
    "connection closed before the reply": faults.dropped(0),
    "connection closed in mid reply": faults.dropped(0.5),
    "half a JSON": faults.malformed(),
    "HTML": faults.malformed(b"<html>502 Bad Gateway</html>"),
    "not UTF-8": faults.malformed(b'\xff\xfe{"id": 1}'),
    "no choices": faults.malformed(b'{"id": "1", "object": "chat.completion", "choices": []}'),
    "no message": faults.malformed(b'{"id": "1", "choices": [{"index": 0, "finish_reason": "stop"}]}'),
    "nothing": faults.malformed(b""),
}
ROUTES = ["openai", "together_ai", "deepseek"]
"""Our own transport, litellm's way through OpenAI's client, and its way through httpx."""
FOR_GOOD = {
    "refused the key": faults.http_error(403, "forbidden"),
    "out of credit": faults.http_error(429, "insufficient_quota"),
    "credit or quota": faults.http_error(402, "payment_required"),
    "does not exist": faults.http_error(404, "model_not_found"),
    "does not accept the request": faults.http_error(400, "unsupported_parameter"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", PASSING)
def test_a_failure_that_may_pass_is_asked_again(make_teacher, prompts, name, route):
    with FakeOpenAI(script=[PASSING[name]] * 2) as server:
        (trace,) = make_teacher(server, model=f"{route}/fake").respond(prompts(1))
        assert trace.finish_reason == "stop"
        assert len(server.chats) == 3, "two failures and the answer: nobody else retries"


@pytest.mark.parametrize("text", FOR_GOOD)
def test_a_mistake_stops_at_once_and_says_which(make_teacher, prompts, text):
    with FakeOpenAI(script=[FOR_GOOD[text]] * 9) as server:
        with pytest.raises(UserError, match=text) as error:
            list(make_teacher(server, workers=1).respond(prompts(5)))
        assert len(server.chats) == 1
        assert "openai/fake" in str(error.value)
        assert server.url in str(error.value)


@pytest.mark.parametrize("seconds", [1, 0.6])
def test_retry_after_is_obeyed(make_teacher, prompts, seconds):
    with FakeOpenAI(script=[faults.rate_limited(seconds)]) as server:
        list(make_teacher(server).respond(prompts(1)))
        first, second = server.chats
    assert seconds <= second.at - first.at < seconds + 1.2


def test_a_rate_limit_is_waited_out_and_is_no_failed_attempt(make_teacher, prompts):
    with FakeOpenAI(script=[faults.rate_limited(0.01)] * 12) as server:
        (trace,) = make_teacher(server, retries=0).respond(prompts(1))
        assert trace.finish_reason == "stop"
        assert len(server.chats) == 13


def test_a_rate_limit_delays_its_own_request_alone(make_teacher, prompts):
    with FakeOpenAI(script=[faults.rate_limited(30)], latency=0.02) as server:
        answers = make_teacher(server, workers=4).respond(prompts(12))
        start = time.monotonic()
        for _ in range(11):
            next(answers)
        assert time.monotonic() - start < 25
        answers.close()


def test_a_quota_that_is_gone_for_long_is_reported(make_teacher, prompts):
    with (
        FakeOpenAI(script=[faults.rate_limited(90_000)]) as server,
        pytest.raises(UserError, match="still limits the rate"),
    ):
        list(make_teacher(server).respond(prompts(1)))


def test_answers_before_a_failure_are_handed_on_and_kept(make_teacher, prompts):
    asked = prompts(3)
    with FakeOpenAI(script=[None, None, faults.http_error(403)]) as server:
        answers = make_teacher(server, workers=1).respond(asked)
        assert [next(answers).prompt, next(answers).prompt] == asked[:2]
        with pytest.raises(UserError):
            next(answers)
        assert len(list(make_teacher(server).respond(asked))) == 3
        assert len(server.chats) == 4


@pytest.mark.parametrize("fault", [faults.hung(), faults.dripping()], ids=["hung", "dripping"])
def test_a_connection_that_does_not_end_is_ended_at_the_time_limit(make_teacher, prompts, fault):
    with FakeOpenAI(script=[fault]) as server:
        start = time.monotonic()
        list(make_teacher(server, timeout=0.5).respond(prompts(1)))
        assert time.monotonic() - start < 20, "by itself it would not end at all"
        assert len(server.chats) == 2


def test_an_unknown_provider_names_the_nearest_model(make_teacher, prompts):
    with pytest.raises(UserError, match=r"gpt-4-turb: litellm knows no provider.*did you mean 'gpt-4-turbo"):
        list(make_teacher(model="gpt-4-turb").respond(prompts(1)))


def test_a_missing_key_is_named_before_any_request(make_teacher, prompts):
    with FakeOpenAI() as server:
        with pytest.raises(UserError, match=r"variable MY_KEY, which api_key_env names, is not set"):
            list(make_teacher(server, api_key_env="MY_KEY").respond(prompts(2)))
        assert server.requests == []
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        list(make_teacher(model="openai/gpt-4").respond(prompts(1)))
    with pytest.raises(UserError, match="ANTHROPIC_API_KEY"):
        list(make_teacher(model="anthropic/claude-3-opus-20240229").respond(prompts(1)))


def test_a_wrong_key_stops_at_once_and_is_not_repeated(make_teacher, prompts, key, caplog, tmp_path, capfd):
    caplog.set_level(logging.DEBUG)
    with FakeOpenAI(key="another") as server:
        with pytest.raises(UserError, match=r"refused the key: .*\*\*\*.*MY_KEY") as error:
            list(make_teacher(server, api_key_env="MY_KEY", workers=1).respond(prompts(9)))
        assert len(server.requests) == 1
        assert server.requests[0].headers["authorization"] == f"Bearer {key}"
    assert error.value.__cause__ is None
    assert error.value.__context__ is None
    seen = caplog.text + "".join(capfd.readouterr()) + str(error.value)
    assert key not in seen
    assert key.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_key_and_prompts_reach_no_log(make_teacher, prompts, key, caplog, tmp_path, capfd):
    caplog.set_level(logging.DEBUG)
    asked = prompts(3)
    with FakeOpenAI(key=key, script=[faults.http_error(500)]) as server:
        list(make_teacher(server, api_key_env="MY_KEY").respond(asked))
    seen = caplog.text + "".join(capfd.readouterr())
    assert key not in seen
    assert asked[0].query.text not in seen
    files = [path for path in Path(tmp_path).rglob("*") if path.is_file()]
    assert files, "the response log is there"
    assert all(key.encode() not in path.read_bytes() for path in files)


def test_the_providers_own_key_is_not_sent_to_another_server(make_teacher, prompts, key, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with FakeOpenAI() as server:
        list(make_teacher(server).respond(prompts(1)))
        assert key not in str(server.requests)


def test_faults_of_every_kind_lose_nothing_and_waste_nothing(make_teacher, prompts):
    results = {faults.finished("length"): 0.03, faults.no_usage(): 0.03}
    lost = {faults.dropped(0.5): 0.03, faults.malformed(): 0.03}
    refused = {faults.http_error(500): 0.06, faults.rate_limited(0.05): 0.06}
    asked = prompts(300)
    with FakeOpenAI(rates=results | lost | refused, latency=0.01) as server:
        traces = list(make_teacher(server, workers=16).respond(asked))
    assert sorted(t.prompt.id for t in traces) == sorted(p.id for p in asked)
    assert all(server.met[fault] > 0 for fault in results | lost | refused)
    billed = 300 + sum(server.met[fault] for fault in lost)
    assert server.billed == billed, "what the connection lost was paid twice, nothing else"
    assert len(server.chats) == billed + sum(server.met[fault] for fault in refused)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "2", "retry-after-ms": "1250"}, 1.25),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    assert retry_after(headers) == seconds


def test_retry_after_may_be_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": later}) == pytest.approx(30, abs=2)


def test_waits_double_up_to_a_limit_and_are_spread():
    assert {round(backoff(9, None), 6) for _ in range(20)} != {round(backoff(9, None), 6)}
    for tries in range(1, 20):
        assert 0.5 * min(LONGEST_WAIT_S, 0.02 * 2 ** (tries - 1)) <= backoff(tries, None) <= LONGEST_WAIT_S
    assert all(4 <= backoff(1, 4) <= 5 for _ in range(20))
