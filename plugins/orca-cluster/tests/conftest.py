"""A Ray cluster of this machine for the module that wants one, and workers that find the tests' tasks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import orca_cluster
import pytest

from orca_core.protocols import Executor
from orca_core.testing import build, make_context

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")])

MakeExecutor = Callable[..., Executor]


@pytest.fixture(params=["ray", "submitit"])
def make_executor(request: pytest.FixtureRequest, tmp_path: Path) -> MakeExecutor:
    """Builds an executor of either kind, on this machine."""
    pytest.importorskip(request.param)
    component = {"ray": orca_cluster.RAY, "submitit": orca_cluster.SUBMITIT}[request.param]
    fixed = {"submitit": {"cluster": "local"}}.get(request.param, {})
    return lambda **config: build(component, make_context(tmp_path), **fixed, **config)
