"""Killed at every step, interrupted, two at once: by the server's count nothing is ever submitted twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orca_litellm.batch import fleet, steps
from orca_litellm.facts import get_facts

from orca_core import Prompt, Query
from orca_core.responses import ResponseLog
from orca_core.testing import BatchAPI, FakeOpenAI, Fate

PATIENCE_S = 60
N = 8
PROMPTS = [Prompt(Query(f"batched question {i}", task="t")) for i in range(N)]
QUICK = {"FIRST_PAUSE_S": 0.02, "LONGEST_PAUSE_S": 0.2, "LAG_S": 0.3}
# Loads litellm once, then forks for every job it reads: (url, cache, file for the answers, prompts after which the source blocks).
CHILDREN = """
import json, os, signal, sys, time
from pathlib import Path
import orca_litellm
from orca_core import Prompt, Query
from orca_core.testing import build, make_context
from orca_litellm.batch import fleet, responding, steps
from orca_litellm.endpoints.via_litellm import load_litellm

load_litellm()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
vars(steps).update(FIRST_PAUSE_S=0.02, LONGEST_PAUSE_S=0.2, LAG_S=0.3)

def source(blocks_after, out):
    for i in range(8):
        if i == blocks_after:
            print("blocked", file=out, flush=True)
            time.sleep(3600)
        yield Prompt(Query(f"batched question {i}", task="t"))

def work(url, cache, path, blocks_after):
    out = open(path, "w")
    if blocks_after is not None:
        responding.CHUNK = 2
    teacher = build(orca_litellm.LITELLM, make_context(Path(cache)), model="openai/fake", api_base=url, batch=True)
    for trace in teacher.respond(source(blocks_after, out)):
        print(trace.text, file=out, flush=True)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            work(*json.loads(line))
        except BaseException as error:
            print(f"ended by {type(error).__name__}", file=sys.stderr, flush=True)
        os._exit(0)
    print(pid, flush=True)
"""


class Children:
    """Teachers in processes of their own."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._parent = subprocess.Popen(
            [sys.executable, "-c", CHILDREN],
            env=os.environ | {"PYTHONPATH": paths},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def start(self, server: FakeOpenAI, cache: Path, *, blocks_after: int | None = None) -> Child:
        get_facts("openai/fake", {}, server.url, cache)  # in the cache, so that the child need not ask litellm
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        out = cache / f"answers-{time.monotonic_ns()}"
        print(json.dumps([server.url, str(cache), str(out), blocks_after]), file=self._parent.stdin, flush=True)
        return Child(int(self._parent.stdout.readline()), out)

    def close(self) -> str:
        return self._parent.communicate(timeout=PATIENCE_S)[1]


class Child:
    def __init__(self, pid: int, out: Path) -> None:
        self._pid, self._out = pid, out

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Returns when it is gone."""
        os.kill(self._pid, number)
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                os.kill(self._pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.01)
        raise TimeoutError(f"process {self._pid} does not end")

    def lines(self) -> list[str]:
        return self._out.read_text().splitlines() if self._out.exists() else []


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    children = Children()
    yield children
    print(children.close())


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUICK.items():
        monkeypatch.setattr(steps, name, value)


def wait_until(ready: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def check_books(api: BatchAPI, cache: Path, traces: list) -> None:
    """Everything answered, nothing worked on twice, nothing left claimed, money and requests as the server counted them."""
    assert sorted(trace.prompt.query.text for trace in traces) == [prompt.query.text for prompt in PROMPTS]
    assert {trace.finish_reason for trace in traces} == {"stop"}
    assert sorted(api.billed.values()) == [1] * N
    with ResponseLog(cache / "responses.sqlite") as log:
        assert (len(log), log.spent("default").requests, log.maybe_billed().count) == (N, N, 0)
        assert {data["state"] for data in log.batches("openai/fake").values()} == {"settled"}


STEPS = (
    "before upload",
    "after upload",
    "before create",
    "after create",
    "before poll",
    "before content",
    "after content",
)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_nothing_is_submitted_twice(children, make_teacher, tmp_path, step):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(errors={2: 500})])
        with api.gate(step) as gate:
            child = children.start(server, tmp_path)
            assert gate.reached.wait(PATIENCE_S)
            child.kill()
        traces = list(make_teacher(server, batch=True).respond(PROMPTS))
    assert [len(batch.rows) for batch in api.batches.values()] == [N, 1], "the second for the one that failed"
    check_books(api, tmp_path, traces)


def test_killed_again_and_again_one_step_further_each_time(children, make_teacher, tmp_path):
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        for step in ("after upload", "after upload", "after create", "before list", "after poll", "after content"):
            with api.gate(step) as gate:
                child = children.start(server, tmp_path)
                assert gate.reached.wait(PATIENCE_S), step
                child.kill()
        traces = list(make_teacher(server, batch=True).respond(PROMPTS))
    assert len(api.batches) == 1
    check_books(api, tmp_path, traces)


def test_killed_while_a_batch_is_filled_its_requests_are_free_again(children, make_teacher, tmp_path):
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        child = children.start(server, tmp_path, blocks_after=4)
        wait_until(lambda: child.lines() == ["blocked"])
        child.kill()
        with ResponseLog(tmp_path / "responses.sqlite") as log:
            assert log.spent("default").requests == 4, "claimed, and still so"
        traces = list(make_teacher(server, batch=True).respond(PROMPTS))
    assert [len(batch.rows) for batch in api.batches.values()] == [N]
    check_books(api, tmp_path, traces)


def test_killed_while_results_are_taken_in_they_are_taken_in_to_the_end(make_teacher, tmp_path, monkeypatch):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(errors={0: 400, 1: 500})])
        finish, left = ResponseLog.afinish, iter(range(3))

        async def power_cut(self, *args):
            if next(left, None) is None:
                raise RuntimeError("power cut")
            return await finish(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(ResponseLog, "afinish", power_cut)
            with pytest.raises(RuntimeError, match="power cut"):
                list(make_teacher(server, batch=True).respond(PROMPTS))
        with ResponseLog(tmp_path / "responses.sqlite") as log:
            assert len(log) == 3
        traces = list(make_teacher(server, batch=True).respond(PROMPTS))
        dead = [trace for trace in traces if trace.finish_reason == "error"]
        assert [trace.prompt.id for trace in dead] == [PROMPTS[0].id]
        assert [len(batch.rows) for batch in api.batches.values()] == [N, 1]
        again = list(make_teacher(server, batch=True).respond(PROMPTS))
    check_books(api, tmp_path, again)


def test_ctrl_c_leaves_the_batch_running_and_the_next_run_fetches_it(children, make_teacher, tmp_path):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)])
        child = children.start(server, tmp_path)
        wait_until(lambda: any(batch.status == "in_progress" for batch in api.batches.values()))
        child.kill(signal.SIGINT)
        assert [batch.status for batch in api.batches.values()] == ["in_progress"]
        api.finish()
        traces = list(make_teacher(server, batch=True).respond(PROMPTS))
    assert len(api.batches) == 1
    check_books(api, tmp_path, traces)


def test_two_processes_with_the_same_prompts_submit_each_once(children, make_teacher, tmp_path):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)])
        child = children.start(server, tmp_path)
        wait_until(lambda: api.batches)
        traces: list = []
        thread = threading.Thread(target=lambda: traces.extend(make_teacher(server, batch=True).respond(PROMPTS)))
        thread.start()
        wait_until(lambda: any(data["state"] == "filling" for data in _batches(tmp_path).values()))
        api.finish()
        thread.join(PATIENCE_S)
        child.wait()
    assert len(child.lines()) == N
    assert len(api.batches) == 1
    check_books(api, tmp_path, traces)


def test_a_process_that_waits_takes_over_when_the_other_one_dies(children, make_teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(fleet, "MAX_REQUESTS", N)
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)])
        child = children.start(server, tmp_path)
        wait_until(lambda: api.batches)
        traces: list = []
        thread = threading.Thread(target=lambda: traces.extend(make_teacher(server, batch=True).respond(PROMPTS)))
        thread.start()
        wait_until(lambda: any(data["state"] == "filling" for data in _batches(tmp_path).values()))
        child.kill()
        api.finish()
        thread.join(PATIENCE_S)
    assert child.lines() == []
    assert len(api.batches) == 1
    check_books(api, tmp_path, traces)


def _batches(cache: Path) -> dict[str, Any]:
    with ResponseLog(cache / "responses.sqlite") as log:
        return log.batches("openai/fake")
