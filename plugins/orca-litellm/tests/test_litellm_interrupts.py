"""Killed, interrupted, run to the end: the teacher in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from orca_litellm.facts import get_facts

from orca_core import Prompt, Query
from orca_core.responses import ResponseLog
from orca_core.testing import FakeOpenAI, faults

PROMPTS = [Prompt(Query(f"interrupted question {i}", task="t")) for i in range(60)]
CHILD = """
import sys
from pathlib import Path
import orca_litellm
from orca_core import Prompt, Query
from orca_core.testing import build, make_context

for model in sys.argv[3:]:
    teacher = build(
        orca_litellm.LITELLM, make_context(Path(sys.argv[2])), model=model, api_base=sys.argv[1], workers=6
    )
    for trace in teacher.respond(Prompt(Query(f"interrupted question {i}", task="t")) for i in range(60)):
        print(trace.text, flush=True)
"""


def start(server: FakeOpenAI, cache: Path, *models: str) -> subprocess.Popen[str]:
    for model in models or ["openai/fake"]:
        get_facts(model, {}, None, cache)  # so that the child need not ask litellm
    command = [sys.executable, "-c", CHILD, server.url, str(cache), *(models or ["openai/fake"])]
    paths = os.pathsep.join(path for path in sys.path if path)
    env = os.environ | {"PYTHONPATH": paths}
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def read_lines(child: subprocess.Popen[str], n: int) -> list[str]:
    assert child.stdout is not None
    return [child.stdout.readline() for _ in range(n)]


def test_after_kill_9_nothing_that_arrived_is_asked_again(make_teacher, tmp_path):
    with FakeOpenAI(latency=0.1) as server:
        child = start(server, tmp_path)
        shown = read_lines(child, 15)
        child.kill()
        child.wait()
        with ResponseLog(tmp_path / "responses.sqlite") as log:
            kept = len(log)
        time.sleep(0.3)  # the server finishes what was in flight
        billed_before = server.billed
        traces = list(make_teacher(server, workers=6).respond(PROMPTS))
        asked_again = server.billed - billed_before
    assert all(shown)
    assert 15 <= kept < 60
    assert len(traces) == 60
    assert asked_again == 60 - kept
    assert server.billed <= 60 + 6, "paid twice at most what was in flight"


def test_ctrl_c_returns_quickly_and_keeps_what_arrived(tmp_path):
    with FakeOpenAI(script=[None] * 10 + [faults.hung()] * 50) as server:
        child = start(server, tmp_path)
        read_lines(child, 10)
        time.sleep(0.2)
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        took = time.monotonic() - begin
    assert took < 12, "hung requests would be waited for a minute and more"
    assert errors.strip().endswith("KeyboardInterrupt")
    assert "never awaited" not in errors
    with ResponseLog(tmp_path / "responses.sqlite") as log:
        assert len(log) == 10


def test_a_whole_run_says_nothing_on_the_error_stream(tmp_path):
    with FakeOpenAI(rates={faults.http_error(): 0.05}) as server:
        output, errors = start(server, tmp_path, "openai/fake", "deepseek/fake").communicate(timeout=60)
    assert errors == ""
    assert len(output.splitlines()) == 120
