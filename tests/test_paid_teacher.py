"""A whole run with a teacher behind HTTP: nothing is paid twice, and the key is nowhere afterwards."""

import time
from pathlib import Path

import pytest
from toy_project import TOY_RUN

from orca_core.testing import FakeOpenAI

KEY = "sk-orca-test-0123456789abcdefghij"
RUN = (
    *(line for line in TOY_RUN if not line.startswith("teacher")),
    "teacher=openai-compatible",
    "teacher.model=openai/toy",
)


def adds(messages) -> str:
    a, b = messages[-1]["content"].split(" + ")
    return f"It is {int(a) + int(b)}"


@pytest.fixture
def paid(project):
    """The toy project with the litellm plugin, whose key is in the environment."""
    project.env["ORCA_BLOCK_PLUGINS"] = "reasoning,lightning,parrot"
    project.env["TOY_KEY"] = KEY
    return project


def everything_written(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_the_key_is_in_no_file_and_no_output(paid):
    with FakeOpenAI(adds, key=KEY) as server:
        options = (f"teacher.api_base={server.url}", "teacher.api_key_env=TOY_KEY")
        good = paid.orca("run", *RUN, *options)
        assert good.returncode == 0, good.stderr
        assert any(KEY in request.headers.get("authorization", "") for request in server.requests)
    with FakeOpenAI(adds, key="another") as server:
        bad = paid.orca(
            "run", *RUN, f"teacher.api_base={server.url}", "teacher.api_key_env=TOY_KEY", "teacher.max_tokens=9"
        )
        assert bad.returncode == 2
    written = everything_written(paid.root) + (good.stdout + good.stderr + bad.stdout + bad.stderr).encode()
    assert KEY.encode() not in written


def test_a_key_that_is_not_set_is_named_before_anything_is_asked(paid):
    with FakeOpenAI(adds) as server:
        result = paid.orca("run", *RUN, f"teacher.api_base={server.url}", "teacher.api_key_env=NO_SUCH_KEY")
        assert result.returncode == 2
        assert "NO_SUCH_KEY" in result.stderr
        assert not server.requests


def test_a_key_written_into_the_config_is_refused_before_it_reaches_a_file(paid):
    result = paid.orca("run", *RUN, f"+teacher.api_key={KEY}")
    assert result.returncode == 2
    assert "teacher.api_key: unknown key; did you mean 'api_key_env'?" in result.stderr
    assert KEY.encode() not in everything_written(paid.root)
    swept = paid.orca("run", "-m", *RUN, f"+teacher.api_key={KEY}", "seed=0,1")
    assert swept.returncode == 2
    assert KEY.encode() not in everything_written(paid.root)


def test_kill_9_in_the_middle_of_asking_pays_nothing_twice(paid):
    with FakeOpenAI(adds, latency=0.1) as server:
        run = ("run", *RUN, f"teacher.api_base={server.url}", "teacher.workers=2", "subjects=[student]")
        process = paid.start(*run)
        deadline = time.monotonic() + 120
        while server.billed < 6:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        paid.kill(process)
        time.sleep(0.3)
        in_flight = 2
        assert paid.orca(*run).returncode == 0
        questions = {request.body["messages"][-1]["content"] for request in server.requests if request.method == "POST"}
        assert server.billed <= len(questions) + in_flight
        # another student learns from the same answers
        before = server.billed
        assert paid.orca(*run, "student.learning_rate=2").returncode == 0
        assert server.billed == before
        # more questions: only the new ones are asked, although the stage is another
        assert paid.orca(*run, "sampler.n=25").returncode == 0
        questions = {request.body["messages"][-1]["content"] for request in server.requests if request.method == "POST"}
        assert server.billed <= len(questions) + in_flight
