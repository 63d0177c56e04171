"""Puzzles and students for the tests of this plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from orca_lightning import ModelShape
from orca_scalelogic import GRPO, SAMPLER, TEACHER, GrpoConfig

from orca_core.component import Context
from orca_core.records import Trace
from orca_core.testing import build, make_context


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path)


@pytest.fixture
def puzzles(context: Context) -> Callable[..., list[Trace]]:
    """Puzzles of depths 1 and 2 with their proofs."""

    def made(n: int = 24, **told: object) -> list[Trace]:
        given = {"n": n, "tiers": ("implication",), "depths": (1, 2), "candidates": 2, "style": "answer", **told}
        return list(build(TEACHER, context).respond(build(SAMPLER, context, **given).sample()))

    return made


@pytest.fixture
def config() -> GrpoConfig:
    """A student of some thousand parameters, on policy."""
    shape = ModelShape(hidden_size=32, layers=1, heads=2, intermediate_size=48, vocab_size=400, positions=256)
    return GRPO.config(
        model=shape,
        max_length=256,
        batch_rows=4,
        threads=1,
        learning_rate=1e-2,
        schedule="constant",
        warmup_ratio=0.0,
        weight_decay=0.0,
        checkpoint_seconds=0.0,
        refresh=1,
        group=4,
        generation={"max_new_tokens": 8},
    )


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
