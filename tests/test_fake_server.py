"""The fake OpenAI-compatible server, driven by a plain HTTP client: other tests are only as good as it is."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request

import pytest
from plain_client import chat

from orca_core.testing import FakeOpenAI, Fault, faults


def test_it_answers_as_openai_does():
    with FakeOpenAI() as server:
        reply = chat(server, "how are you")
    assert reply["object"] == "chat.completion"
    assert reply["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "You said: how are you"}, "finish_reason": "stop"}
    ]
    assert reply["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def test_it_remembers_requests_and_counts_what_is_billed():
    with FakeOpenAI(answer=lambda messages: messages[0]["content"].upper()) as server:
        assert chat(server, "a")["choices"][0]["message"]["content"] == "A"
        chat(server, "b", key="secret")
    assert [request.body["messages"][0]["content"] for request in server.chats] == ["a", "b"]
    assert server.chats[1].headers["authorization"] == "Bearer secret"
    assert server.billed == 2


def test_it_lists_its_models_and_knows_no_others():
    with FakeOpenAI(models=["m"]) as server:
        with urllib.request.urlopen(f"{server.url}/models") as response:
            assert [model["id"] for model in json.load(response)["data"]] == ["m"]
        chat(server)
        with pytest.raises(urllib.error.HTTPError) as error:
            chat(server, model="other")
        assert (error.value.code, json.load(error.value)["error"]["code"]) == (404, "model_not_found")


def test_a_wrong_key_is_refused():
    with FakeOpenAI(key="right") as server:
        chat(server, key="right")
        with pytest.raises(urllib.error.HTTPError) as error:
            chat(server, key="wrong")
        assert error.value.code == 401
        assert server.billed == 1


def test_faults_come_in_the_order_of_the_script_and_then_good_replies():
    with FakeOpenAI(script=[faults.rate_limited(2), faults.rate_limited(0.5), faults.http_error(503), None]) as server:
        headers = []
        for _ in range(3):
            with pytest.raises(urllib.error.HTTPError) as error:
                chat(server)
            headers.append(
                (error.value.code, error.value.headers["Retry-After"], error.value.headers["retry-after-ms"])
            )
        assert headers == [(429, "2", None), (429, "1", "500"), (503, None, None)]
        assert chat(server)
        assert chat(server)
        assert server.billed == 2


def test_connections_are_dropped_before_and_in_the_reply():
    with FakeOpenAI(script=[faults.dropped(0), faults.dropped(0.9)]) as server:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            chat(server)
        assert server.billed == 0, "nothing was worked out"
        with pytest.raises(http.client.IncompleteRead):
            chat(server)
        assert server.billed == 1, "worked out, billed, and lost on the way"


def test_bodies_are_malformed_and_usage_is_left_out_on_request():
    with FakeOpenAI(script=[faults.malformed(), faults.no_usage(), faults.finished("length")]) as server:
        with pytest.raises(json.JSONDecodeError):
            chat(server)
        assert "usage" not in chat(server)
        assert chat(server)["choices"][0]["finish_reason"] == "length"


def test_a_hung_request_is_never_answered_and_does_not_keep_the_server_from_stopping():
    with FakeOpenAI(script=[faults.hung()]) as server:
        with pytest.raises(TimeoutError):
            chat(server, timeout=0.2)
        assert chat(server)
        start = time.monotonic()
    assert time.monotonic() - start < 20, "it would wait for ever"
    assert server.billed == 1


def test_a_dripping_reply_is_whole_in_the_end():
    with FakeOpenAI(script=[faults.dripping(0.001)]) as server:
        start = time.monotonic()
        assert chat(server)["choices"]
    assert time.monotonic() - start > 0.2


def test_random_faults_keep_their_rates_and_repeat_with_their_seed():
    def met(seed: int) -> dict[Fault, int]:
        with FakeOpenAI(rates={faults.no_usage(): 0.3, faults.finished("length"): 0.2}, seed=seed) as server:
            for _ in range(200):
                chat(server)
        return dict(server.met)

    first = met(1)
    assert met(1) == first
    assert 40 <= first[faults.no_usage()] <= 80
    assert 25 <= first[faults.finished("length")] <= 58


def test_requests_are_served_at_the_same_time():
    with FakeOpenAI(latency=0.6) as server:
        threads = [threading.Thread(target=chat, args=(server,)) for _ in range(8)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start < 8 * 0.6, "one after the other"
        assert server.peak == 8
