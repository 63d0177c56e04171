"""The teacher against a real HTTP server: concurrency, the log, usage and cost, stopping."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from orca_litellm import LiteLLMConfig
from orca_litellm.asking.engine import DRAIN_S
from orca_litellm.asking.round import AHEAD, CHUNK
from orca_litellm.plan import TYPICAL_ANSWER

from orca_core import Prompt, Query, UserError
from orca_core.responses import FILE, ResponseLog
from orca_core.testing import FakeOpenAI, check_plugin, check_responder, faults

# litellm leaves a coroutine behind when a call is cancelled in its first instants; pytest resets the filter of via_litellm.py.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .*completion.* was never awaited:RuntimeWarning")


def log_of(cache: Path) -> ResponseLog:
    return ResponseLog(cache / FILE)


def test_the_plugin_keeps_the_contract():
    components = check_plugin("orca_litellm")
    assert [component.name for component in components] == ["litellm"]


def test_the_teacher_keeps_the_contract(make_teacher):
    with FakeOpenAI() as server:
        check_responder(make_teacher(server))


def test_requests_are_sent_at_the_same_time(make_teacher, prompts):
    with FakeOpenAI(latency=0.25) as server:
        teacher = make_teacher(server, workers=16)
        list(teacher.respond(prompts(1)))  # loads litellm
        start = time.monotonic()
        traces = list(teacher.respond(prompts(96)))
        took = time.monotonic() - start
    assert len(traces) == 96
    assert server.peak == 16
    assert 1.5 <= took < 12, "96 prompts of 0.25 s by 16 workers take 1.5 s, one after the other 24 s"


def test_answers_belong_to_their_prompts_and_come_as_they_arrive(make_teacher, prompts):
    asked = prompts(20)
    with FakeOpenAI(script=[faults.http_error()]) as server:
        traces = list(make_teacher(server, workers=4).respond(asked))
    assert {t.prompt.id: t.text for t in traces} == {p.id: f"You said: {p.query.text}" for p in asked}
    assert traces[0].prompt.id != asked[0].id, "the first prompt had to be asked twice, so others came before it"


def test_system_message_and_decoding_are_sent(make_teacher, prompts):
    decoding = {"temperature": 0.7, "top_p": 0.95, "max_tokens": 64, "seed": 3, "stop": ["###"]}
    with FakeOpenAI() as server:
        (trace,) = make_teacher(server, **decoding).respond(asked := prompts(1))
        (request,) = server.chats
    assert request.body == {"model": "fake", "messages": asked[0].messages, **decoding}
    assert trace.decoding == decoding
    assert trace.model == "openai/fake"


def test_what_a_prompt_demands_is_sent_and_paid_once(make_teacher, prompts):
    (prompt,) = prompts(1)
    asked = [
        prompt,
        replace(prompt, decoding={"temperature": 0.7, "max_tokens": 9}),
        replace(prompt, decoding={"stop": ["x"]}),
    ]
    with FakeOpenAI() as server:
        teacher = make_teacher(server, temperature=0.0)
        assert teacher.estimate(asked).prompts == 3
        traces = list(teacher.respond(asked))
        sent = [tuple(map(chat.body.get, ("temperature", "max_tokens", "stop"))) for chat in server.chats]
        assert list(teacher.pending(asked)) == []
        assert list(teacher.respond(asked)) == traces
        assert len(server.chats) == 3
    assert sent == [(0.0, None, None), (0.7, 9, None), (0.0, None, ["x"])]
    assert traces[1].decoding["max_tokens"] == 9


def test_a_demand_that_cannot_be_met_is_an_error(make_teacher, prompts):
    (prompt,) = prompts(1)
    with pytest.raises(UserError, match="temperature=9"):
        list(make_teacher().respond([replace(prompt, decoding={"temperature": 9.0})]))
    with pytest.raises(UserError, match="temprature=0: LiteLLMConfig has no such setting"):
        list(make_teacher().respond([replace(prompt, decoding={"temprature": 0})]))
    with pytest.raises(UserError, match=r"raw text .* answers chats; .*evaluator\.lm-eval\.chat=true"):
        list(make_teacher().respond([replace(prompt, decoding={"raw": True})]))


def test_settings_that_are_null_are_not_sent(make_teacher, prompts):
    with FakeOpenAI() as server:
        list(make_teacher(server).respond(prompts(1)))
        assert server.chats[0].body.keys() == {"model", "messages"}


def test_usage_latency_and_cost_are_recorded(make_teacher, prompts):
    with FakeOpenAI(latency=0.05) as server:
        (trace,) = make_teacher(server, model="openai/gpt-4").respond(prompts(1))
    assert (trace.prompt_tokens, trace.completion_tokens) == (3, 4)
    assert trace.cost_usd == pytest.approx(3 * 3e-5 + 4 * 6e-5)
    assert trace.latency_s == pytest.approx(0.05, abs=1.5)
    assert trace.latency_s >= 0.05


def test_a_model_without_a_price_costs_nothing_known(make_teacher, prompts):
    with FakeOpenAI() as server:
        (trace,) = make_teacher(server).respond(prompts(1))
    assert trace.cost_usd is None
    assert trace.completion_tokens == 4


def test_a_reply_without_usage_has_unknown_tokens(make_teacher, prompts):
    with FakeOpenAI(script=[faults.no_usage()]) as server:
        (trace,) = make_teacher(server, model="openai/gpt-4").respond(prompts(1))
    assert (trace.prompt_tokens, trace.completion_tokens, trace.cost_usd) == (None, None, None)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_cut_or_filtered_answer_is_a_result_and_not_asked_again(make_teacher, prompts, reason):
    with FakeOpenAI(script=[faults.finished(reason)]) as server:
        teacher, asked = make_teacher(server), prompts(1)
        traces = [*teacher.respond(asked), *teacher.respond(asked)]
        assert [trace.finish_reason for trace in traces] == [reason, reason]
        assert len(server.chats) == 1


def test_a_prompt_that_the_provider_filters_is_an_empty_result(make_teacher, prompts):
    with FakeOpenAI(script=[faults.http_error(400, "content_policy_violation")]) as server:
        (trace,) = make_teacher(server).respond(prompts(1))
        assert (trace.text, trace.finish_reason, len(server.chats)) == ("", "content_filter", 1)


def test_an_empty_answer_is_a_result(make_teacher, prompts):
    with FakeOpenAI(answer=lambda messages: "") as server:
        (trace,) = make_teacher(server).respond(prompts(1))
        assert (trace.text, trace.finish_reason, len(server.chats)) == ("", "stop", 1)


def test_what_is_in_the_log_is_not_asked_again(make_teacher, prompts):
    asked = prompts(5)
    with FakeOpenAI() as server:
        first = list(make_teacher(server, workers=1).respond(asked))
        again = list(make_teacher(server, workers=1).respond(asked + prompts(1)))
        assert len(server.chats) == 6
    assert again[:5] == first


def test_the_log_answers_without_a_server_or_a_key(make_teacher, prompts):
    asked = prompts(3)
    with FakeOpenAI() as server:
        first = list(make_teacher(server, workers=1).respond(asked))
    again = make_teacher(api_key_env="NO_SUCH_VARIABLE", workers=1).respond(asked)
    assert list(again) == first


def test_another_model_or_decoding_is_another_question(make_teacher, prompts):
    asked = prompts(1)
    with FakeOpenAI() as server:
        for config in ({}, {"temperature": 0.5}, {"temperature": 1}, {"model": "openai/other"}, {"workers": 3}):
            list(make_teacher(server, **config).respond(asked))
        assert len(server.chats) == 4, "only workers=3 is the same question"


def test_equal_requests_in_flight_are_sent_once(make_teacher):
    twins = [Prompt(Query("the same text", task=f"task {i}")) for i in range(6)]
    with FakeOpenAI(latency=0.1) as server:
        traces = list(make_teacher(server, workers=6).respond(twins))
        assert len(server.chats) == 1
    assert {trace.prompt.query.task for trace in traces} == {f"task {i}" for i in range(6)}


def test_several_answers_to_one_prompt_are_several_requests(make_teacher, prompts):
    (one,) = prompts(1)
    with FakeOpenAI() as server:
        traces = list(make_teacher(server).respond([replace(one, sample=number) for number in range(3)]))
        list(make_teacher(server).respond([replace(one, sample=2)]))
        assert len(server.chats) == 3
    assert {trace.prompt.sample for trace in traces} == {0, 1, 2}


def test_prompts_are_pulled_as_they_are_needed(make_teacher):
    pulled = itertools.count()
    endless = (Prompt(Query(f"endless {next(pulled)}", task="t")) for _ in itertools.repeat(None))
    with FakeOpenAI() as server:
        answers = make_teacher(server, workers=4).respond(endless)
        list(itertools.islice(answers, 10))
        time.sleep(0.5)  # time enough to run ahead
        answers.close()
    assert next(pulled) <= 10 + 1 + CHUNK + AHEAD * 4


def test_a_slow_source_of_prompts_holds_up_no_answer(make_teacher, prompts):
    blocked = threading.Event()

    def source() -> Iterator[Prompt]:
        yield from prompts(2)
        blocked.wait(20)

    with FakeOpenAI() as server:
        answers = make_teacher(server).respond(source())
        assert len([next(answers), next(answers)]) == 2
        blocked.set()
        assert list(answers) == []


def test_an_error_of_the_prompts_reaches_the_caller(make_teacher, prompts):
    def source() -> Iterator[Prompt]:
        yield from prompts(1)
        raise OSError("the disk is gone")

    with FakeOpenAI() as server, pytest.raises(OSError, match="the disk is gone"):
        list(make_teacher(server).respond(source()))


def test_closing_sends_nothing_more_and_keeps_what_arrives_in_time(make_teacher, prompts, tmp_path):
    with FakeOpenAI(latency=0.3) as server:
        answers = make_teacher(server, workers=5).respond(prompts(40))
        next(answers)
        time.sleep(0.1)  # the next five are on their way
        answers.close()
        asked = len(server.chats)
        with log_of(tmp_path) as log:
            assert len(log) == asked, "what was out arrived and is kept"
            assert log.maybe_billed().count == 0
        time.sleep(0.4)
        assert len(server.chats) == asked <= 15


def test_what_does_not_arrive_in_time_is_cancelled_and_maybe_billed(make_teacher, prompts, tmp_path):
    with FakeOpenAI(script=[None, *[faults.hung()] * 20]) as server:
        answers = make_teacher(server, workers=5).respond(prompts(20))
        next(answers)
        for _ in range(2000):
            if len(server.chats) == 6:
                break
            time.sleep(0.01)
        start = time.monotonic()
        answers.close()
        assert DRAIN_S <= time.monotonic() - start < DRAIN_S + 10, "hung requests would be waited for a minute and more"
        asked = len(server.chats)
        assert asked == 6
    with log_of(tmp_path) as log:
        assert (len(log), log.maybe_billed().count) == (1, asked - 1)


def test_the_estimate_counts_what_is_not_answered_yet(make_teacher, prompts):
    asked = prompts(10)
    with FakeOpenAI() as server:
        teacher = make_teacher(server, model="openai/gpt-4")
        before = teacher.estimate(asked)
        list(teacher.respond(asked[:4]))
        after = teacher.estimate(asked)
        list(teacher.respond(asked))
        assert len(server.chats) == 10
    assert (before.prompts, before.completion_tokens) == (10, 10 * TYPICAL_ANSWER)
    assert before.prompt_tokens == pytest.approx(10 * 14, rel=0.3)
    assert before.cost_usd == pytest.approx(before.prompt_tokens * 3e-5 + 10 * TYPICAL_ANSWER * 6e-5, rel=0.01)
    assert (after.prompts, after.completion_tokens) == (6, 24), "by the length of the answers so far"
    assert teacher.estimate(asked).prompts == 0


def test_the_estimate_of_many_prompts_is_not_priced_as_one_long_one(make_teacher):
    asked = [Prompt(Query(f"{i}:" + " word" * 300, task="t")) for i in range(1000)]
    teacher = make_teacher(model="gemini/gemini-2.5-pro")
    few, many = teacher.estimate(asked[:10]), teacher.estimate(asked)
    assert many.prompt_tokens > 200_000, "beyond the step in this model's price list"
    assert many.cost_usd / 1000 == pytest.approx(few.cost_usd / 10, rel=0.05)


def test_the_estimate_asks_nobody_and_needs_no_key(make_teacher, prompts):
    estimate = make_teacher(model="openai/gpt-4", max_tokens=50, api_key_env="NO_SUCH_VARIABLE").estimate(prompts(3))
    assert (estimate.prompts, estimate.completion_tokens) == (3, 150)


def test_likelihoods_of_choices_are_refused_before_any_request(make_teacher):
    with FakeOpenAI() as server:
        with pytest.raises(UserError, match="cannot rate given choices"):
            list(make_teacher(server).respond([Prompt(Query("A or B?", task="t"), choices=("A", "B"))]))
        assert server.requests == []


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("temperature", 9, "less than or equal to 2"),
        ("temperature", -1, "greater than or equal to 0"),
        ("top_p", 0, "greater than 0"),
        ("workers", 0, "greater than or equal to 1"),
        ("api_base", "localhost:8000", "should be a URL"),
        ("api_base", "https://user:pass@host/v1", "no user name"),
        ("api_key_env", "sk-my-key", "should be the NAME"),
    ],
)
def test_a_bad_setting_says_its_limit(field, value, limit):
    with pytest.raises(ValueError, match=limit):
        LiteLLMConfig.model_validate({"model": "openai/gpt-4", field: value})
