"""Executors on this machine, whose workers find the tests' tasks and plugins."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import orca_cluster
import pytest
from toy_project import TOY_RUN

from orca_core import plugins as plugin_loading
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.graph import build as build_graph
from orca_core.pipeline import Outcome, execute
from orca_core.protocols import Executor
from orca_core.store import Store
from orca_core.testing import build, make_context

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

MakeExecutor = Callable[..., Executor]
Run = Callable[..., list[Outcome]]


@pytest.fixture(scope="session", autouse=True)
def _on_the_path(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Workers are started with this environment: it is the same for all tests."""
    from cluster_project import SESSION, cluster_project

    os.environ[SESSION] = uuid.uuid4().hex
    project = cluster_project(tmp_path_factory.mktemp("plugins"))
    added = [str(project.site), str(HERE)]
    sys.path.insert(0, str(project.site))
    os.environ["PYTHONPATH"] = os.pathsep.join([*added, os.environ.get("PYTHONPATH", "")])


@pytest.fixture(params=["ray", "submitit"])
def executor(request: pytest.FixtureRequest) -> Sequence[str]:
    """The overrides of either executor, on this machine."""
    pytest.importorskip(request.param)
    local = {"submitit": ["executor.cluster=local"]}.get(request.param, [])
    return [f"executor={request.param}", *local]


@pytest.fixture
def make_executor(executor: Sequence[str], tmp_path: Path) -> MakeExecutor:
    """Builds the executor."""
    name = executor[0].partition("=")[2]
    component = {"ray": orca_cluster.RAY, "submitit": orca_cluster.SUBMITIT}[name]
    fixed = {"submitit": {"cluster": "local"}}.get(name, {})
    return lambda **config: build(component, make_context(tmp_path), **fixed, **config)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Does a run of the toy project in this process, in the store of that name, with three prompts in a shard."""
    monkeypatch.setattr("orca_core.work.PROMPTS_PER_SHARD", 3)
    monkeypatch.setattr("orca_core.work.ANSWERS_PER_SHARD", 3)

    def do(*overrides: str, store: str = "store") -> list[Outcome]:
        plugins = plugin_loading.load()
        config = compose_run([*TOY_RUN, f"store={tmp_path / store}", *overrides], plugins)[0]
        checked = check(config, plugins)
        return execute(build_graph(checked), checked, Store(checked.store))

    return do
