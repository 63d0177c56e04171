"""A whole run with a teacher over the network: the key, the messages and exit codes, and what a second run asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_project import TOY_RUN

from orca_core.testing import FakeOpenAI, faults
from orca_core.testing.project import Project

pytestmark = pytest.mark.slow
pytest.importorskip("orca_litellm", reason="needs the plugin orca-litellm installed")
KEY = "sk-orca-run-0123456789abcdef"
BASE = (
    *(o for o in TOY_RUN if not o.startswith("teacher=")),
    "teacher=openai-compatible",
    "teacher.model=openai/gpt-4",
)


@pytest.fixture
def api(project: Project) -> Project:
    """The scratch project with orca-litellm beside the toy plugin."""
    project.env["ORCA_BLOCK_PLUGINS"] = "reasoning,lightning,parrot"
    return project


def overrides(server: FakeOpenAI, *more: str) -> tuple[str, ...]:
    return (*BASE, f"teacher.api_base={server.url}", "teacher.api_key_env=MY_KEY", *more)


def files_with(text: str, root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_run_pays_once_and_its_key_is_nowhere(api):
    with FakeOpenAI(key=KEY, script=[faults.http_error(500)]) as server:
        first = api.orca("run", *overrides(server), MY_KEY=KEY)
        assert first.returncode == 0, first.stderr
        paid = server.billed
        again = api.orca("run", *overrides(server, "seed=1", "teacher.workers=2"), MY_KEY=KEY)
        assert again.returncode == 0, again.stderr
        bodies = [str(request.body["messages"]) for request in server.chats]
    assert paid > 0
    assert server.billed == len(set(bodies)), "a question that both runs ask is paid for once"
    assert KEY not in first.stdout + first.stderr + again.stdout + again.stderr
    assert files_with("gpt-4", api.root), "the search does see the run's files"
    assert files_with(KEY, api.root) == []


def test_a_wrong_key_stops_the_run_with_a_message(api):
    with FakeOpenAI(key="another") as server:
        result = api.orca("run", *overrides(server), MY_KEY=KEY)
    assert result.returncode == 2
    assert "refused the key" in result.stderr
    assert "MY_KEY" in result.stderr
    assert "Traceback" not in result.stderr
    assert KEY not in result.stdout + result.stderr
    assert files_with(KEY, api.root) == []


def test_a_missing_key_is_named_before_anything_is_asked(api):
    with FakeOpenAI() as server:
        result = api.orca("run", *overrides(server))
        assert server.requests == []
    assert result.returncode == 2
    assert "MY_KEY" in result.stderr
    assert "Traceback" not in result.stderr


def test_plan_tells_prompts_tokens_and_dollars_without_a_key(api):
    with FakeOpenAI() as server:
        result = api.orca("plan", *overrides(server))
        assert server.requests == []
    assert result.returncode == 0, result.stderr
    assert "still to ask" in result.stdout
    assert "$" in result.stdout


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("teacher.temperature=9", "teacher.temperature = 9: input should be less than or equal to 2"),
        ("teacher.worker=9", "teacher.worker: unknown key; did you mean 'workers'?"),
        ("teacher=gpt4", "teacher=gpt4: no such option; did you mean 'gpt-4'?"),
    ],
)
def test_a_bad_setting_is_told_as_in_the_rest_of_orca(api, override, expected):
    result = api.orca("run", *BASE, override)
    assert result.returncode == 2
    assert expected in result.stderr


@pytest.mark.parametrize("preset", ["chatgpt", "gpt-4"])
def test_the_presets_hold_the_papers_settings(api, preset):
    result = api.orca("run", *BASE[:-2], f"teacher={preset}", "--cfg", "job")
    assert result.returncode == 0, result.stderr
    assert "temperature: 0.7" in result.stdout
    assert "top_p: 0.95" in result.stdout
