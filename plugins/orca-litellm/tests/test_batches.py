"""Asking through a batch API that behaves, and one that does not: files, answers, errors, money."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable
from itertools import count, islice

import pytest
from orca_litellm.batch import fleet, loading, responding, steps
from orca_litellm.batch.files import MAX_BYTES, MAX_REQUESTS

from orca_core import OutOfBudgetError, Prompt, Query, UserError
from orca_core.responses import ResponseLog
from orca_core.testing import Answer, BatchAPI, FakeOpenAI, Fate, check_responder
from orca_core.testing.fake import refusal

PRICE = {"prompt": 10.0, "completion": 10.0}


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(steps, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(steps, "LAG_S", 0.05)


def sizes(api: BatchAPI) -> list[int]:
    """Requests of each batch, in the order of their creation."""
    return [len(batch.rows) for batch in api.batches.values()]


def finish_when(api: BatchAPI, ready: Callable[[], bool], *names: str) -> threading.Thread:
    """Let batches end once something is the case."""

    def work() -> None:
        deadline = time.monotonic() + 60
        while not ready() and time.monotonic() < deadline:
            time.sleep(0.01)
        api.finish(*names)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def answers(traces):
    return {trace.prompt.query.text: trace.text for trace in traces}


def test_every_prompt_is_answered_through_one_batch(make_teacher, prompts):
    asked = prompts(5)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=0.1)])
        traces = list(make_teacher(server, batch=True, temperature=0.7, stop=["#"]).respond(asked))
        assert server.chats == []
    assert answers(traces) == {p.query.text: f"You said: {p.query.text}" for p in asked}
    assert sizes(api) == [5]
    (batch,) = api.batches.values()
    assert batch.rows[0]["url"] == "/v1/chat/completions"
    assert batch.rows[0]["body"] == {
        "model": "fake", "messages": asked[0].messages, "temperature": 0.7, "stop": ["#"]
    }  # fmt: skip
    assert {trace.decoding["temperature"] for trace in traces} == {0.7}


def test_the_teacher_keeps_the_contract_in_batches(make_teacher):
    with FakeOpenAI() as server:
        BatchAPI(server)
        check_responder(make_teacher(server, batch=True))


def test_samples_of_one_prompt_are_requests_of_their_own(make_teacher):
    query = Query("several answers", task="t")
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        traces = list(make_teacher(server, batch=True).respond(Prompt(query, sample=k) for k in range(3)))
        assert sizes(api) == [3]
        again = list(make_teacher(server, batch=True).respond(Prompt(query, sample=k) for k in range(3)))
        assert sizes(api) == [3]
    assert sorted(trace.prompt.sample for trace in traces) == [0, 1, 2] == [trace.prompt.sample for trace in again]


def test_what_is_in_the_log_needs_no_batch_no_server_and_no_key(make_teacher, prompts):
    asked = prompts(3)
    with FakeOpenAI() as server:
        BatchAPI(server)
        first = list(make_teacher(server, batch=True).respond(asked))
    again = list(make_teacher(batch=True, api_key_env="NO_SUCH_VARIABLE").respond(asked))
    assert answers(again) == answers(first)


def test_online_answers_and_those_of_batches_are_the_same_in_the_log(make_teacher, prompts):
    asked = prompts(4)
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        list(make_teacher(server).respond(asked[:2]))
        list(make_teacher(server, batch=True).respond(asked))
        list(make_teacher(server).respond(asked))
        assert (len(server.chats), sizes(api)) == (2, [2])


def test_equal_requests_are_sent_once(make_teacher):
    twins = [Prompt(Query("the same text", task=f"task {i}")) for i in range(4)]
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        traces = list(make_teacher(server, batch=True).respond(twins))
    assert sizes(api) == [1]
    assert {trace.prompt.query.task for trace in traces} == {f"task {i}" for i in range(4)}


def test_it_costs_half(make_teacher, prompts):
    with FakeOpenAI() as server:
        BatchAPI(server)
        (full,) = make_teacher(server, model="openai/gpt-4").respond(prompts(1))
        (half,) = make_teacher(server, model="openai/gpt-4", batch=True).respond(prompts(1))
    assert (half.prompt_tokens, half.completion_tokens) == (full.prompt_tokens, full.completion_tokens) == (3, 4)
    assert half.cost_usd == pytest.approx(full.cost_usd / 2)
    assert half.latency_s is None, "how long a batch takes tells nothing of the model"


def test_files_hold_no_more_than_they_may(make_teacher, prompts, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 4)
    with FakeOpenAI() as server:
        api = BatchAPI(server, max_requests=4)
        assert len(list(make_teacher(server, batch=True).respond(prompts(10)))) == 10
    assert sizes(api) == [4, 4, 2]
    assert MAX_REQUESTS == 50_000


def test_files_stay_below_their_limit_in_bytes(make_teacher, prompts, monkeypatch):
    asked = prompts(6)
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        probe = make_teacher(server, batch=True)
        list(probe.respond(asked[:1]))
        line = len(next(iter(api.files.values())))
        monkeypatch.setattr(loading, "MAX_BYTES", 2 * line + 1)
        list(probe.respond(asked[1:]))
        uploaded = [len(content) for content in api.files.values() if b'"method"' in content]
    assert sizes(api) == [1, 2, 2, 1]
    assert max(uploaded) == 2 * line
    assert MAX_BYTES == 100_000_000


def test_a_prompt_too_long_for_any_file_is_a_dead_letter(make_teacher, prompts, monkeypatch):
    monkeypatch.setattr(responding, "MAX_BYTES", 1000)
    long = Prompt(Query("long " * 300, task="t"))
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        traces = {trace.prompt.id: trace for trace in make_teacher(server, batch=True).respond([*prompts(2), long])}
    assert sizes(api) == [2]
    assert (traces[long.id].finish_reason, "too long" in traces[long.id].error) == ("error", True)


def test_several_batches_are_on_their_way_at_once_but_not_more(make_teacher, prompts, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 2)
    monkeypatch.setattr(fleet, "MOST_OPEN", 3)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)] * 3)
        thread = finish_when(api, lambda: len(api.batches) == 3)
        traces = make_teacher(server, batch=True).respond(prompts(14))
        first = next(traces)
        thread.join()
        assert len(api.batches) == 3, "a fourth has to wait"
        assert len([first, *traces]) == 14
    assert sizes(api) == [2] * 7


def test_prompts_are_pulled_as_batches_have_room(make_teacher, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 2)
    monkeypatch.setattr(fleet, "MOST_OPEN", 2)
    pulled = count()
    endless = (Prompt(Query(f"endless {next(pulled)}", task="t")) for _ in count())
    with FakeOpenAI() as server:
        BatchAPI(server)
        traces = make_teacher(server, batch=True).respond(endless)
        assert len(list(islice(traces, 6))) == 6
        traces.close()
    assert next(pulled) < 20


def test_an_expired_batch_keeps_its_answers_and_the_rest_goes_on(make_teacher, prompts):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(expires_after=3), Fate(expires_after=1)])
        traces = list(make_teacher(server, batch=True).respond(prompts(6)))
    assert {trace.finish_reason for trace in traces} == {"stop"}
    assert sizes(api) == [6, 3, 2]
    assert set(api.billed.values()) == {1}


def test_a_batch_that_someone_cancels_is_no_loss(make_teacher, prompts):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)])

        def cancel() -> None:
            while not any(batch.status == "in_progress" for batch in api.batches.values()):
                time.sleep(0.01)
            urllib.request.urlopen(urllib.request.Request(f"{server.url}/batches/batch-0/cancel", b"{}")).close()

        thread = threading.Thread(target=cancel)
        thread.start()
        traces = list(make_teacher(server, batch=True).respond(prompts(5)))
        thread.join(10)
    assert len(traces) == 5
    assert [batch.status for batch in api.batches.values()] == ["cancelled", "completed"]
    assert set(api.billed.values()) == {1}


def test_errors_of_the_moment_go_into_the_next_batch_and_lasting_ones_are_dead_letters(make_teacher, prompts):
    asked = prompts(6)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(errors={1: 500, 2: 429, 4: 400})])
        traces = {trace.prompt.id: trace for trace in make_teacher(server, batch=True).respond(asked)}
    assert sizes(api) == [6, 2]
    assert [p.id for p in asked if traces[p.id].finish_reason == "error"] == [asked[4].id]
    assert traces[asked[4].id].error == "HTTP 400: fake error"
    assert api.billed.total() == 5


def test_a_request_that_no_batch_answers_is_a_dead_letter_with_its_reason(make_teacher, prompts, tmp_path):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(errors={0: 500}), Fate(errors={0: 429}), Fate(expires_after=0)])
        teacher, asked = make_teacher(server, batch=True), prompts(3)
        traces = {trace.prompt.id: trace for trace in teacher.respond(asked)}
        dead = traces[asked[0].id]
        assert sizes(api) == [3, 1, 1]
        assert (dead.finish_reason, "completion window expired" in dead.error) == ("error", True)
        assert "3 batches" in dead.error
        assert [t.error for t in teacher.respond(asked[:1])] == [dead.error], "not again by the same teacher"
        assert sizes(api) == [3, 1, 1]
        (again,) = make_teacher(server, batch=True).respond(asked[:1])
        assert again.finish_reason == "stop", "the next run asks it again"


def test_a_filtered_prompt_is_an_empty_answer(make_teacher, prompts, monkeypatch):
    def filtering(status, code, message):
        return json.dumps({"error": {"message": "flagged", "code": "content_filter"}}).encode()

    monkeypatch.setattr("orca_core.testing.batch_api.error_body", filtering)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(errors={0: 400})])
        (trace,) = make_teacher(server, batch=True).respond(prompts(1))
    assert (trace.text, trace.finish_reason, sizes(api)) == ("", "content_filter", [1])


def test_an_unreadable_reply_is_asked_again(make_teacher, prompts, monkeypatch):
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        whole = BatchAPI._complete
        broken = iter([True])
        monkeypatch.setattr(
            BatchAPI, "_complete", lambda self, body: {"no": "choices"} if next(broken, False) else whole(self, body)
        )
        traces = list(make_teacher(server, batch=True).respond(prompts(2)))
    assert {trace.finish_reason for trace in traces} == {"stop"}
    assert sizes(api) == [2, 1]


def test_a_file_that_is_found_invalid_ends_the_run_with_the_providers_words(make_teacher, prompts, tmp_path):
    with FakeOpenAI() as server:
        BatchAPI(server, [Fate(failure=("mismatched_model", "The model does not do batches"))])
        with pytest.raises(UserError, match="2 requests invalid: The model does not do batches"):
            list(make_teacher(server, batch=True).respond(asked := prompts(2)))
        with ResponseLog(tmp_path / "responses.sqlite") as log:
            assert log.spent("default").requests == 0, "nothing is claimed any more"
        assert len(list(make_teacher(server).respond(asked))) == 2, "it can be asked without batches"


@pytest.mark.parametrize("refuses", [False, True])
def test_a_batch_waits_until_the_provider_has_room(make_teacher, prompts, monkeypatch, refuses):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 3)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)], enqueued=4, refuses=refuses)
        thread = finish_when(api, lambda: api.full > 0)
        assert len(list(make_teacher(server, batch=True).respond(prompts(9)))) == 9
        thread.join()
    assert [len(batch.rows) for batch in api.batches.values() if batch.status != "failed"] == [3, 3, 3]
    assert set(api.billed.values()) == {1}


@pytest.mark.parametrize("refuses", [False, True])
def test_batches_become_as_small_as_the_provider_takes_them(make_teacher, prompts, refuses):
    with FakeOpenAI() as server:
        api = BatchAPI(server, enqueued=3, refuses=refuses)
        assert len(list(make_teacher(server, batch=True).respond(prompts(10)))) == 10
        taken = [len(batch.rows) for batch in api.batches.values() if batch.status == "completed"]
    assert sum(taken) == 10
    assert max(taken) <= 3
    assert set(api.billed.values()) == {1}


def test_no_room_for_a_single_request_is_told(make_teacher, prompts):
    with FakeOpenAI() as server:
        BatchAPI(server, enqueued=0)
        with pytest.raises(UserError, match=r"no room for a single request: .*Limit: 0"):
            list(make_teacher(server, batch=True).respond(prompts(3)))


def test_outages_are_waited_out(make_teacher, prompts):
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        steps = ("POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch-0", "GET /v1/files/file-1/content")
        left = dict.fromkeys(steps, 2)
        handle = api._handle

        async def flaky(request):
            name = f"{request.method} {request.path}"
            if left.get(name):
                left[name] -= 1
                return refusal(500, "server_error", "out of order")
            return await handle(request)

        for route in list(server.routes):
            if server.routes[route] == handle:
                server.routes[route] = flaky
        assert len(list(make_teacher(server, batch=True).respond(prompts(3)))) == 3
    assert (sizes(api), set(api.billed.values())) == ([3], {1})


def test_a_batch_whose_creation_was_cut_off_is_found_and_not_created_again(make_teacher, prompts):
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        with api.gate("after create") as gate:
            result: list = []
            teacher = make_teacher(server, batch=True, timeout=0.5)
            thread = threading.Thread(target=lambda: result.extend(teacher.respond(prompts(3))))
            thread.start()
            assert gate.reached.wait(20)
            time.sleep(0.6)  # the client has given up waiting
        thread.join(30)
    assert len(result) == 3
    assert (sizes(api), set(api.billed.values())) == ([3], {1})


def test_a_refused_key_ends_the_run_and_is_not_shown(make_teacher, prompts, key, tmp_path, caplog):
    with FakeOpenAI(key="another-key") as server:
        BatchAPI(server)
        with pytest.raises(UserError, match="Incorrect API key") as error:
            list(make_teacher(server, batch=True, api_key_env="MY_KEY").respond(prompts(2)))
    assert key not in str(error.value) + caplog.text
    with ResponseLog(tmp_path / "responses.sqlite") as log:
        assert log.spent("default").requests == 0


def test_a_provider_without_batches_is_told_at_once(make_teacher, prompts):
    with pytest.raises(UserError, match=r"cannot be asked in batches.*batch=false"):
        list(make_teacher(model="anthropic/claude-opus-4-1", batch=True, api_key_env="PATH").respond(prompts(1)))


def test_several_endpoints_are_refused(make_teacher, prompts):
    places = [{"name": "a", "api_base": "http://127.0.0.1:1"}, {"name": "b", "api_base": "http://127.0.0.1:2"}]
    with pytest.raises(UserError, match="one endpoint"):
        list(make_teacher(endpoints=places, batch=True).respond(prompts(1)))


def test_a_budget_is_never_passed_and_what_was_claimed_is_answered(make_teacher, prompts, tmp_path):
    config, budget = {"price": PRICE, "max_tokens": 10, "batch": True}, 0.004
    with FakeOpenAI() as server:
        api = BatchAPI(server, answer=lambda messages: Answer("long", prompt_tokens=50, completion_tokens=10))
        with pytest.raises(OutOfBudgetError, match=r"of \$0.004 are spent"):
            list(make_teacher(server, budget={"usd": budget}, **config).respond(prompts(50)))
        with ResponseLog(tmp_path / "responses.sqlite") as log:
            spent = log.spent("default")
    assert sum(sizes(api)) == api.billed.total() == spent.requests < 50
    assert spent.usd == pytest.approx(spent.requests * 60 * 10e-6 / 2)
    assert 0.8 * budget < spent.usd <= budget, "what was reserved and not spent is used for the next batches"
    assert len(api.batches) > 1


def leave_one_running(teacher, asked, api: BatchAPI) -> None:
    """Of two batches one is answered, and the other one is left with the provider."""
    thread = finish_when(api, lambda: len(api.batches) == 2, "batch-0")
    traces = teacher.respond(asked)
    next(traces)
    traces.close()
    thread.join()


def test_closing_leaves_the_batch_running_and_says_so(make_teacher, prompts, caplog, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 2)
    asked = prompts(4)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)] * 2)
        with caplog.at_level(logging.INFO, "orca"):
            leave_one_running(make_teacher(server, batch=True), asked, api)
        assert "the same command fetches their answers" in caplog.text
        assert all(prompt.query.text not in caplog.text for prompt in asked)
        api.finish()
        assert len(list(make_teacher(server, batch=True).respond(asked))) == 4
    assert sizes(api) == [2, 2]
    assert set(api.billed.values()) == {1}


def test_a_batch_that_is_gone_can_be_given_up_and_counts_as_maybe_billed(make_teacher, prompts, monkeypatch, tmp_path):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 1)
    asked = prompts(2)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)] * 2)
        leave_one_running(make_teacher(server, batch=True), asked, api)
        del api.batches["batch-1"]
        with pytest.raises(UserError, match=r"Batch batch-1 .* delete (\S+) to give its 1 requests up") as error:
            list(make_teacher(server, batch=True).respond(asked))
        shutil.rmtree(str(error.value).partition("delete ")[2].split(" ")[0])
        assert len(list(make_teacher(server, batch=True).respond(asked))) == 2
    with ResponseLog(tmp_path / "responses.sqlite") as log:
        assert (len(log), log.maybe_billed().count, log.spent("default").requests) == (2, 1, 3)


def test_batches_at_another_endpoint_are_told_of_rather_than_waited_for(make_teacher, prompts, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 1)
    asked = prompts(2)
    with FakeOpenAI() as first, FakeOpenAI() as second:
        api = BatchAPI(first, [Fate(seconds=3600)] * 2)
        BatchAPI(second)
        leave_one_running(make_teacher(first, batch=True), asked, api)
        for batch in (True, False):
            with pytest.raises(UserError, match=first.url):
                list(make_teacher(second, batch=batch).respond(asked))


def test_without_batches_what_they_brought_is_fetched_first(make_teacher, prompts, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", 1)
    asked = prompts(2)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)] * 2)
        leave_one_running(make_teacher(server, batch=True), asked, api)
        with pytest.raises(UserError, match="batch=true"):
            list(make_teacher(server).respond(asked))
        api.finish()
        assert len(list(make_teacher(server).respond([*asked, *prompts(1)]))) == 3
        assert (len(server.chats), sizes(api)) == (1, [1, 1])
