"""The real model behind its server, asked through litellm like any endpoint: offline, end to end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orca_smollm2
import pytest
from orca_smollm2 import server as server_module
from orca_smollm2 import teacher as teacher_module

from orca_core import Prompt, Query, UserError
from orca_core.parts import resolve
from orca_core.plugins import load
from orca_core.responses import FILE, ResponseLog
from orca_core.testing import check_plugin, make_context

QUESTIONS = ("What is the capital of France?", "What is 2 + 2?", "Name three colours.", "What do cows drink?")
PROMPTS = [Prompt(Query(text, "t"), "Answer briefly." if i % 2 else "") for i, text in enumerate(QUESTIONS)]
SHORT = {"name": "smollm2", "temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: what litellm says about the model is asked once per cache, which takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def build(cache: Path) -> Callable[..., Any]:
    """The teacher as a run gets it: ``context.make`` finds the teacher behind it among all that is installed."""
    return lambda **config: resolve(load(), "teacher", {**SHORT, **config}, "teacher").build(make_context(cache))


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants one fails."""
    monkeypatch.setattr(teacher_module, "server", None)


def test_the_plugin_keeps_the_contract():
    assert [component.name for component in check_plugin(orca_smollm2)] == ["smollm2"]


def test_the_model_answers_through_litellm_and_is_asked_once(build, cache, monkeypatch):
    teacher = build()
    before = teacher.estimate(PROMPTS)
    assert (before.prompts, before.cost_usd) == (4, 0)
    traces = {trace.prompt.id: trace for trace in teacher.respond(PROMPTS)}
    assert set(traces) == {prompt.id for prompt in PROMPTS}
    assert "4" in traces[PROMPTS[1].id].text
    for trace in traces.values():
        assert trace.model == "openai/smollm2-135m-instruct"
        assert trace.finish_reason in {"stop", "length"}
        assert (trace.finish_reason == "length") == (trace.completion_tokens == 12)
        assert trace.prompt_tokens > 10
        assert trace.cost_usd == 0
    with ResponseLog(cache / FILE) as log:
        assert len(log) == 4
    monkeypatch.setattr(teacher_module, "server", None)
    again = build()
    assert again.estimate(PROMPTS).prompts == 0
    assert list(again.pending(PROMPTS)) == []
    assert {trace.prompt.id: trace for trace in again.respond(PROMPTS)} == traces, "out of the log, without a server"
    with pytest.raises(TypeError):
        list(again.respond([*PROMPTS, Prompt(Query("Something new?", "t"))]))


def test_phases_share_a_server_and_one_that_died_is_replaced(build):
    first = server_module.server(2, 1)
    assert server_module.server(2, 1) is first
    first.process.kill()
    first.process.wait()
    second = server_module.server(2, 1)
    assert second.url != first.url
    (trace,) = build().respond([Prompt(Query("Is fire hot?", "t"))])
    assert trace.text
    assert server_module.server(2, 1) is second


def test_a_prompt_beyond_the_context_is_a_dead_letter_and_the_others_are_answered(build):
    long = Prompt(Query("word " * 5000, "t"))
    short = Prompt(Query("Is ice cold?", "t"))
    traces = {trace.prompt.id: trace for trace in build().respond([long, short])}
    assert traces[long.id].finish_reason == "error"
    assert "context" in traces[long.id].error
    assert traces[short.id].text


def test_building_and_estimating_start_no_server(build, no_server):
    teacher = build()
    assert teacher.estimate([Prompt(Query(f"Question {i}?", "t")) for i in range(4)]).prompts == 4
    assert list(teacher.respond([])) == []


@pytest.mark.parametrize(("package", "command"), sorted(server_module.INSTALL.items()))
def test_a_missing_package_is_told_with_the_command_that_installs_it(build, monkeypatch, package, command):
    real = server_module.find_spec
    monkeypatch.setattr(server_module, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(UserError) as caught:
        build()
    assert str(caught.value).endswith(f"not installed: {command}")


def test_a_server_that_cannot_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(server_module, "weights", lambda: tmp_path / "nothing.gguf")
    with pytest.raises(UserError, match=r"did not start with .*nothing\.gguf: RuntimeError: Failed to init"):
        server_module.Server(1, 1)


def test_the_server_ends_with_a_parent_that_was_killed():
    code = "import time; from orca_smollm2.server import server; print(server(1, 1).url, flush=True); time.sleep(600)"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert answers(url)
        parent.kill()
    deadline = time.monotonic() + 120
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(url)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
