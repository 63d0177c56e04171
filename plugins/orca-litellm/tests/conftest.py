"""A teacher against the fake server. Nothing here leaves the loopback interface."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import orca_litellm
import pytest
from orca_litellm import facts
from orca_litellm.endpoints.via_litellm import load_litellm

from orca_core import Prompt, Query, Responder
from orca_core.testing import FakeOpenAI, build, make_context

MakeTeacher = Callable[..., Responder]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orca_litellm.failures.FIRST_WAIT_S", 0.02)
    monkeypatch.setattr("orca_litellm.endpoints.gate.FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr("orca_litellm.endpoints.gate.LONGEST_PAUSE_S", 0.05)


@pytest.fixture(autouse=True, scope="session")
def _litellm_in_this_process() -> Iterator[None]:
    """The child that asks litellm takes seconds for each question; here litellm is imported once for all of them."""

    def ask(question: Mapping[str, Any]) -> dict[str, Any]:
        load_litellm()
        clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        with mock.patch.dict(os.environ, clean, clear=True):
            return facts.answer(question)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facts, "_ask_child", ask)
        yield


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key that the environment variable MY_KEY holds."""
    monkeypatch.setenv("MY_KEY", "sk-orca-test-0123456789abcdef")
    return "sk-orca-test-0123456789abcdef"


@pytest.fixture
def make_teacher(tmp_path: Path) -> MakeTeacher:
    """Builds the teacher for a server; its log is shared by all teachers of the test."""

    def make(server: FakeOpenAI | None = None, share: float = 1.0, **config: Any) -> Responder:
        if server is not None:
            config["api_base"] = server.url
        context = replace(make_context(tmp_path), share=share)
        return build(orca_litellm.LITELLM, context, **{"model": "openai/fake", **config})

    return make


_fresh = itertools.count()


@pytest.fixture
def prompts() -> Callable[[int], list[Prompt]]:
    """Makes n distinct prompts."""
    return lambda n: [Prompt(Query(f"question {next(_fresh)}", task="t"), system="Explain.") for _ in range(n)]
