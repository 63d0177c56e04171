"""Small chains and students for the tests of this plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from orca_lightning import ModelShape
from orca_rasft import RasftConfig, Rollouts

from orca_core.app import load_plugins
from orca_core.component import Context
from orca_core.records import Trace
from orca_core.testing import build, make_context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def chains(context: Context) -> Callable[..., list[Trace]]:
    """Chains with the expert's answers."""

    plugins = load_plugins()  # the task is another plugin's
    sampler, reducer = (plugins.find(*name).component for name in (("sampler", "chains"), ("teacher", "reducer")))

    def made(n: int = 24, **told: object) -> list[Trace]:
        prompts = build(sampler, context, **{"n": n, "digits": (3,), **told}).sample()
        return list(build(reducer, context).respond(prompts))

    return made


@pytest.fixture
def config() -> RasftConfig:
    """A student of some thousand parameters and a dozen steps, every problem rolled out."""
    shape = ModelShape(hidden_size=32, layers=2, heads=2, intermediate_size=48, vocab_size=320, positions=128)
    return RasftConfig(
        model=shape,
        max_length=96,
        batch_rows=2,
        threads=1,
        learning_rate=1e-2,
        checkpoint_seconds=0.0,
        window=None,
        rollouts=Rollouts(count=4, temperature=1.0, top_p=1.0, repetition_penalty=1.0, max_new_tokens=12, refresh=3),
    )


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
