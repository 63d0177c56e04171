"""Small isomer sets and students for the tests of this plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from orca_iga import SAMPLER, SOLVER, IgaConfig
from orca_lightning import ModelShape

from orca_core.component import Context
from orca_core.records import Trace
from orca_core.testing import build, make_context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def isomers(context: Context) -> Callable[..., list[Trace]]:
    """Solved isomer sets of three domains."""

    def made(n: int = 12, **told: object) -> list[Trace]:
        sampler = build(SAMPLER, context, **{"n": n, "domains": ("law", "maths", "music"), **told})
        return list(build(SOLVER, context).respond(sampler.sample()))

    return made


@pytest.fixture
def config() -> IgaConfig:
    """A student of some thousand parameters, four sets to a step."""
    shape = ModelShape(hidden_size=32, layers=2, heads=2, intermediate_size=48, vocab_size=400, positions=64)
    return IgaConfig(model=shape, max_length=64, batch_rows=4, micro_rows=4, threads=1, learning_rate=1e-2)


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
