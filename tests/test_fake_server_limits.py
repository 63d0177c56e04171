"""The fake server's rate limits, and the server in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_client import chat, send

from orca_core.testing import Answer, FakeOpenAI, RateLimit
from orca_core.testing.rates import span, token_estimate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.lists(st.tuples(st.floats(0, 30, allow_subnormal=False), st.integers(1, 900)), max_size=100),
    st.sampled_from([1.0, 10.0, 60.0]),
)
def test_no_minute_lets_in_more_than_the_limit_and_the_burst(steps, burst):
    clock = Clock()
    limits = RateLimit(requests=60, tokens=6000, burst=burst, clock=clock)
    admitted = []
    for gap, tokens in steps:
        clock.now += gap
        if not limits.admit(tokens):
            admitted.append((clock.now, tokens))
    for start, _ in admitted:
        window = [tokens for at, tokens in admitted if start <= at < start + 60]
        assert len(window) <= 60 + max(1, burst) + 1e-6
        assert sum(window) <= 6000 + max(900, 100 * burst) + 1e-6


def test_a_refused_request_is_told_when_there_is_room_for_it_and_costs_nothing():
    clock = Clock()
    limits = RateLimit(requests=60, burst=2, clock=clock)
    assert [limits.admit(1) for _ in range(3)] == [0, 0, 1.0]
    assert limits.admit(1) == 1.0
    clock.now = 0.999
    assert 0 < limits.admit(1) < 0.0011
    clock.now = 1.0
    assert limits.admit(1) == 0


def test_tokens_count_as_openai_documents_it():
    messages = [{"role": "user", "content": "x" * 400}]
    assert token_estimate({"messages": messages}) == 100
    assert token_estimate({"messages": messages, "max_tokens": 50}) == 100
    assert token_estimate({"messages": messages, "max_tokens": 500}) == 500


@pytest.mark.parametrize(("settles", "left"), [(False, "500"), (True, "970")])
def test_the_tokens_of_a_request_stay_reserved_or_are_settled_with_its_usage(settles, left):
    limits = RateLimit(tokens=1000, settles=settles)
    with (
        FakeOpenAI(lambda messages: Answer("yes", 20, 10), limits=limits) as server,
        send(server.url, max_tokens=500) as reply,
    ):
        assert abs(int(reply.headers["x-ratelimit-remaining-tokens"]) - int(left)) <= 8, "and a little has come back"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0ms"), (0.0201, "21ms"), (1.5, "1.5s"), (60, "1m0s"), (360, "6m0s"), (3723, "1h2m3s")]
)
def test_time_spans_are_written_as_openai_writes_them(seconds, text):
    assert span(seconds) == text


def test_every_reply_tells_the_limits_and_a_429_when_to_come_back():
    limits = RateLimit(requests=60, tokens=60_000, burst=1)
    with FakeOpenAI(limits=limits, latency=0) as server:
        with send(server.url, "x" * 400) as reply:
            told = {name[12:]: value for name, value in reply.headers.items() if name.startswith("x-ratelimit-")}
        assert (told["limit-requests"], told["limit-tokens"]) == ("60", "60000")
        assert told["remaining-requests"] == "0"
        assert 880 <= int(told["remaining-tokens"]) <= 1000
        assert told["reset-requests"].endswith("ms")
        with pytest.raises(urllib.error.HTTPError) as error:
            chat(server)
        headers = error.value.headers
        assert (error.value.code, headers["Retry-After"], headers["x-ratelimit-remaining-requests"]) == (429, "1", "0")
        assert 0 < float(headers["retry-after-ms"]) <= 1000
        assert json.load(error.value)["error"]["code"] == "rate_limit_exceeded"
        assert (server.billed, server.refused) == (1, 1)


@contextmanager
def own_process(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "orca_core.testing.server", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as response:
        return dict(json.load(response))


def test_in_a_process_of_its_own_it_tells_its_counts_and_ends_when_told_to():
    with own_process("--latency", "0.05", "--words", "7", "--fault", 'finished:"length"=1.0', "--key", "k") as (
        process,
        url,
    ):
        threads = [threading.Thread(target=lambda n=n: send(url, f"question {n % 3}").read()) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        choice = json.load(send(url, "question 0"))["choices"][0]
        assert choice["finish_reason"] == "length"
        assert choice["message"]["content"].split()[:2] == ["question", "0"]
        assert len(choice["message"]["content"].split()) == 7
        counts = stats(url)
        assert counts.pop("peak") >= 1
        assert counts == {"asked": 5, "billed": 5, "prompts": 3, "refused": 0, "hung": 0, "in_progress": 0}
        urllib.request.urlopen(url.removesuffix("/v1") + "/reset", b"")
        assert stats(url)["asked"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_an_unknown_fault_is_told_with_the_nearest_one():
    command = [sys.executable, "-m", "orca_core.testing.server", "--fault", "droped=0.1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    assert "did you mean 'dropped'?" in result.stderr
