"""Two thousand prompts against a server that counts for itself: faults, kills, two processes, one changed row."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import orca_litellm
import pytest

from orca_core import Prompt, Query
from orca_core.responses import ResponseLog
from orca_core.testing import FakeOpenAI, build, faults, make_context

pytestmark = pytest.mark.slow
N = 2000
FAULTS = {
    faults.http_error(500): 0.05,
    faults.rate_limited(0.3): 0.05,
    faults.dropped(0.5): 0.02,
    faults.hung(): 0.01,
    faults.malformed(): 0.01,
    faults.finished("length"): 0.01,
}
CHILD = """
import json, sys
from pathlib import Path
import orca_litellm
from orca_core import Prompt, Query
from orca_core.testing import build, make_context

url, cache, first, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
teacher = build(orca_litellm.LITELLM, make_context(cache), model="openai/fake", api_base=url, workers=50)
asked = [Prompt(Query(f"question {i}", task="t")) for i in range(first, last)]
print("ready", flush=True)
print(json.dumps(sorted(trace.prompt.query.text for trace in teacher.respond(iter(asked)))))
"""


def start(server: FakeOpenAI, cache: Path, first: int = 0, last: int = N) -> subprocess.Popen[str]:
    """A process of its own that has the prompts answered."""
    command = [sys.executable, "-c", CHILD, server.url, str(cache), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "MY_KEY": "x"})


def log_of(cache: Path) -> ResponseLog:
    return ResponseLog(cache / "responses.sqlite")


def texts(server: FakeOpenAI) -> list[str]:
    """The question of every chat request that came in."""
    return [request.body["messages"][-1]["content"] for request in server.chats]


def wait_for(server: FakeOpenAI, chats: int, child: subprocess.Popen[str]) -> None:
    while len(server.chats) < chats and child.poll() is None:
        time.sleep(0.002)


def test_every_fault_of_the_list_costs_one_more_request_and_no_row(tmp_path: Path) -> None:
    with FakeOpenAI(rates=FAULTS, latency=0.02, seed=3) as server:
        teacher = build(
            orca_litellm.LITELLM,
            make_context(tmp_path),
            model="openai/fake",
            api_base=server.url,
            workers=100,
            timeout=2,
        )
        traces = list(teacher.respond(Prompt(Query(f"question {i}", task="t")) for i in range(N)))
        met, sent, billed = Counter(server.met), len(server.chats), server.billed
    reasons = Counter(trace.finish_reason for trace in traces)
    assert len({trace.prompt.id for trace in traces}) == N == reasons["stop"] + reasons["length"]
    assert reasons["length"] == met[faults.finished("length")], "a truncated answer is a result"
    necessary = N + sum(count for fault, count in met.items() if fault in FAULTS and fault.finish_reason == "stop")
    assert necessary <= sent <= 1.02 * necessary
    with log_of(tmp_path) as log:
        replies, maybe = len(log), log.maybe_billed().count
    assert replies == N
    assert billed + met[faults.hung()] == replies + maybe, "what was billed, or may have been, is what the log says"


def test_a_process_killed_ten_times_pays_for_nothing_that_had_arrived(tmp_path: Path) -> None:
    draw = random.Random(7)
    with FakeOpenAI(latency=0.05) as server:
        for _ in range(10):
            child, before = start(server, tmp_path), len(server.chats)
            wait_for(server, before + draw.randrange(1, 180), child)
            child.kill()
            child.communicate()
        child = start(server, tmp_path)
        out, _ = child.communicate(timeout=120)
        asked = texts(server)
        billed = server.billed
    assert child.returncode == 0
    assert json.loads(out.splitlines()[-1]) == sorted(f"question {i}" for i in range(N)), "all rows are there"
    with log_of(tmp_path) as log:
        replies, maybe = len(log), log.maybe_billed().count
    assert replies == N
    twice = len(asked) - len(set(asked))
    assert billed == len(asked) == N + twice
    assert twice <= maybe <= 10 * 50, "paid twice is what was in flight, and the log knows of it"


def test_what_the_log_calls_maybe_billed_is_what_a_killed_process_had_out(tmp_path: Path) -> None:
    with FakeOpenAI(latency=0.5) as server:
        child = start(server, tmp_path)
        while server.in_progress < 50 and child.poll() is None:
            time.sleep(0.002)
        child.kill()
        child.communicate()
        assert start(server, tmp_path, 0, 100).wait(timeout=120) == 0
        asked, billed = texts(server), server.billed
    with log_of(tmp_path) as log:
        replies, maybe = len(log), log.maybe_billed().count
    assert (replies, maybe) == (100, 50)
    assert billed == len(asked) == replies + maybe
    assert len(asked) - len(set(asked)) == maybe, "paid twice is exactly what may have been billed"


def test_what_arrived_is_never_asked_again(tmp_path: Path) -> None:
    with FakeOpenAI(latency=0.05) as server:
        child = start(server, tmp_path)
        wait_for(server, 700, child)
        child.kill()
        child.communicate()
        with log_of(tmp_path) as log:
            rows = [row for row in (log.get_many([key]) for key in keys(700)) if row]
            arrived = {f"question {i}" for i, key in enumerate(keys(N)) if log.get_many([key])}
        before = len(server.chats)
        assert start(server, tmp_path).wait(timeout=120) == 0
        again = set(texts(server)[before:])
    assert rows
    assert not arrived & again


def keys(n: int) -> list[bytes]:
    from orca_core.responses import request_key

    return [request_key("openai/fake", Prompt(Query(f"question {i}", task="t")).messages, {}) for i in range(n)]


def test_two_processes_on_one_store_ask_each_prompt_once(tmp_path: Path) -> None:
    with FakeOpenAI(latency=0.05) as server:
        both = [start(server, tmp_path, 0, 1000), start(server, tmp_path, 0, 1000)]
        rows = [json.loads(child.communicate(timeout=120)[0].splitlines()[-1]) for child in both]
        asked = texts(server)
    assert rows[0] == rows[1] == sorted(f"question {i}" for i in range(1000))
    assert len(asked) == len(set(asked)) == 1000


def test_a_changed_row_among_a_thousand_asks_one(tmp_path: Path) -> None:
    def ask(server: FakeOpenAI, questions: list[str]) -> None:
        teacher = build(
            orca_litellm.LITELLM, make_context(tmp_path), model="openai/fake", api_base=server.url, workers=64
        )
        assert len(list(teacher.respond(Prompt(Query(q, task="t")) for q in questions))) == len(questions)

    questions = [f"question {i}" for i in range(1000)]
    with FakeOpenAI() as server:
        ask(server, questions)
        assert len(server.chats) == 1000
        ask(server, [*questions[:500], "another question", *questions[501:]])
        assert texts(server)[1000:] == ["another question"]


def test_an_interrupt_ends_within_five_seconds_and_keeps_what_arrived(tmp_path: Path) -> None:
    with FakeOpenAI(latency=1.0) as server:
        child = start(server, tmp_path)
        wait_for(server, 120, child)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
        took, sent = time.monotonic() - began, len(server.chats)
        time.sleep(0.3)
        assert len(server.chats) == sent, "nothing leaves after the interrupt"
    with log_of(tmp_path) as log:
        assert len(log) + log.maybe_billed().count == sent, "each request that left is answered or may be billed"
        assert len(log) >= 50, "what was in flight was waited for"
    assert took < 8, "five seconds, and the end of the process on a busy machine"
