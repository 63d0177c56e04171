"""Small chains and students for the tests of this plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from orca_lightning import ModelShape
from orca_vcrd import VcrdConfig

from orca_core.app import load_plugins
from orca_core.component import Context
from orca_core.records import Trace
from orca_core.testing import build, make_context

Chains = Callable[..., list[Trace]]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def chains(context: Context) -> Chains:
    """Chains with the teacher's answers; the task is another plugin's."""
    plugins = load_plugins()
    sampler, reducer = (plugins.find(*name).component for name in (("sampler", "chains"), ("teacher", "reducer")))

    def made(n: int = 24, slips: float = 0.0, digits: int = 3) -> list[Trace]:
        prompts = build(sampler, context, n=n, digits=(digits,)).sample()
        return list(build(reducer, context, slips=slips).respond(prompts))

    return made


@pytest.fixture
def configured() -> Callable[..., VcrdConfig]:
    """A student of some thousand parameters and a dozen steps, whose steps a verifier judges."""

    def made(**changes: Any) -> VcrdConfig:
        shape = ModelShape(hidden_size=32, layers=2, heads=2, intermediate_size=48, vocab_size=320, positions=128)
        told: dict[str, Any] = {
            "model": shape,
            "max_length": 96,
            "batch_rows": 2,
            "threads": 1,
            "learning_rate": 1e-2,
            "delimiter": ";",
            "validity": "symbolic",
            "verifier": {"name": "chain-steps"},
            "step_tokens": 8,
            "generation": {"max_new_tokens": 12},
        }
        return VcrdConfig(**(told | changes))

    return made


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
