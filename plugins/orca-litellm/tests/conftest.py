"""A teacher against the fake server. Nothing here leaves the loopback interface."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orca_litellm
import pytest

from orca_core import Prompt, Query, Responder
from orca_core.testing import FakeOpenAI, build, make_context

MakeTeacher = Callable[..., Responder]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orca_litellm.retry.FIRST_WAIT_S", 0.02)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key that the environment variable MY_KEY holds."""
    monkeypatch.setenv("MY_KEY", "sk-orca-test-0123456789abcdef")
    return "sk-orca-test-0123456789abcdef"


@pytest.fixture
def make_teacher(tmp_path: Path) -> MakeTeacher:
    """Builds the teacher for a server; its log is shared by all teachers of the test."""

    def make(server: FakeOpenAI | None = None, **config: Any) -> Responder:
        if server is not None:
            config["api_base"] = server.url
        return build(orca_litellm.LITELLM, make_context(tmp_path), **{"model": "openai/fake", **config})

    return make


_fresh = itertools.count()


@pytest.fixture
def prompts() -> Callable[[int], list[Prompt]]:
    """Makes n distinct prompts."""
    return lambda n: [Prompt(Query(f"question {next(_fresh)}", task="t"), system="Explain.") for _ in range(n)]
