"""Small examples and students for the tests of this plugin."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from orca_lightning import LightningConfig, ModelShape
from tqdm import tqdm

from orca_core.component import Context
from orca_core.records import Prompt, Query, Trace


def sums(count: int, seed: int = 0) -> list[Trace]:
    """Sums with explanations of varying length, under two system messages."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        terms = [draw.randint(0, 9) for _ in range(draw.randint(2, 6))]
        question = " + ".join(map(str, terms)) + " = ?"
        steps = [f"{sum(terms[:i])} + {terms[i]} = {sum(terms[: i + 1])}." for i in range(1, len(terms))]
        answer = f"{' '.join(steps)} So the answer is {sum(terms)}."
        made.append(
            Trace(Prompt(Query(question, "sums"), draw.choice(["", "Explain (briefly)!"])), answer, model="test")
        )
    return made


# its thread may hold tqdm's lock while a test forks, and the fork would wait for it for ever
tqdm.monitor_interval = 0


@pytest.fixture
def examples() -> list[Trace]:
    return sums(48)


@pytest.fixture
def config() -> LightningConfig:
    """A student of some thousand parameters and a few dozen steps."""
    shape = ModelShape(hidden_size=32, layers=2, heads=2, intermediate_size=48, vocab_size=400, positions=256)
    return LightningConfig(model=shape, max_length=128, batch_rows=2, threads=1, learning_rate=1e-2)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    def make(kind: str, node: object) -> object:
        raise NotImplementedError

    return Context(seed=7, cache=tmp_path / "cache", make=make)


@pytest.fixture
def make_sums() -> Callable[..., list[Trace]]:
    return sums


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Sharded training in this process leaves its rank in the environment, which later tests would take for theirs."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
