"""Executors by themselves: completion, deaths, errors."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

import cluster_tasks
import fake_slurm
import orca_cluster
import pytest

from orca_core import UserError
from orca_core.errors import ConfigError, DataError, OrcaError
from orca_core.testing import build, check_plugin, make_context


def test_the_plugin_keeps_the_contract():
    assert {component.name for component in check_plugin("orca_cluster")} == {"ray", "submitit"}


@pytest.mark.slow
def test_every_task_is_done_in_other_processes_as_many_at_once_as_there_are_workers(make_executor, tmp_path):
    executor = make_executor(workers=2)
    assert executor.workers == 2
    assert sorted(executor.map(cluster_tasks.square, range(5))) == [0, 1, 4, 9, 16]
    met = tmp_path / "met"
    met.mkdir()
    assert len(set(executor.map(cluster_tasks.meet, [met, met])) - {os.getpid()}) == 2
    assert list(executor.map(cluster_tasks.square, [])) == []


@pytest.mark.slow
def test_the_task_of_a_worker_that_is_killed_runs_again(make_executor, tmp_path):
    executor = make_executor(workers=2, restarts=1)
    markers = [tmp_path / "one", tmp_path / "two"]
    assert list(executor.map(cluster_tasks.die_once, markers)) == ["left behind"] * 2


@pytest.mark.slow
def test_a_task_that_kills_every_worker_ends_with_advice(make_executor, tmp_path):
    executor = make_executor(workers=1, restarts=1)
    with pytest.raises(UserError, match=r"died 2 times.*What arrived is kept"):
        list(executor.map(cluster_tasks.die, [tmp_path / "deaths"]))
    assert (tmp_path / "deaths").read_text() == "xx"


@pytest.mark.slow
def test_errors_come_through_as_themselves_and_end_the_others(make_executor, monkeypatch):
    monkeypatch.setattr("orca_cluster.on_ray.GRACE_S", 0.2)
    monkeypatch.setattr("orca_cluster.on_slurm.GRACE_S", 0.2)
    executor = make_executor(workers=2)
    start = time.monotonic()
    with pytest.raises(DataError, match=r"questions.jsonl:7: no such column") as data:
        list(executor.map(cluster_tasks.fail, ["data", "wait"]))
    assert (data.value.path, data.value.line) == (Path("questions.jsonl"), 7)
    assert time.monotonic() - start < 60, "waited for the task that sleeps"
    with pytest.raises(ConfigError) as config:
        list(executor.map(cluster_tasks.fail, ["config"]))
    assert config.value.problems == ("a: wrong", "b: wrong")
    with pytest.raises(ZeroDivisionError) as defect:
        list(executor.map(cluster_tasks.fail, ["defect"]))
    assert "cluster_tasks.py" in "".join(defect.value.__notes__)
    with pytest.raises(OrcaError, match="OddError: kindof"):
        list(executor.map(cluster_tasks.fail, ["odd"]))


@pytest.mark.parametrize("name", ["ray", "submitit"])
def test_a_library_that_is_not_installed_is_named_with_its_command(name, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    executor = build({"ray": orca_cluster.RAY, "submitit": orca_cluster.SUBMITIT}[name], make_context(tmp_path))
    with pytest.raises(UserError, match=rf'pip install "orca-cluster\[{name}\]"'):
        list(executor.map(cluster_tasks.square, [1]))


def test_slurm_that_is_not_there_and_a_parameter_that_it_does_not_know_are_errors_for_people(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    context = make_context(tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"(?i)slurm"):
        list(build(orca_cluster.SUBMITIT, context).map(cluster_tasks.square, [1]))
    srun = tmp_path / "srun"
    srun.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    wrong = build(orca_cluster.SUBMITIT, context, slurm={"partitoin": "gpu"})
    with pytest.raises(UserError, match="partitoin"):
        list(wrong.map(cluster_tasks.square, [1]))


@pytest.mark.slow
def test_slurm_gets_one_array_and_another_job_for_one_that_died(tmp_path, monkeypatch):
    pytest.importorskip("submitit")
    commands = tmp_path / "bin"
    fake_slurm.install(commands)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    executor = build(
        orca_cluster.SUBMITIT,
        make_context(tmp_path),
        workers=2,
        partition="long",
        minutes=90,
        memory_gb=3,
        slurm={"account": "nlp", "additional_parameters": {"nice": 7}},
    )
    monkeypatch.setattr("submitit.Job._results_timeout_s", 1)  # a network disk's patience
    markers = [tmp_path / "one", tmp_path / "two"]
    (tmp_path / "two").write_text("already there")
    assert sorted(executor.map(cluster_tasks.die_once, markers)) == ["already there", "left behind"]
    array, single = (script.read_text() for script in sorted(commands.glob("*.sh")))
    for flag in ("partition=long", "time=90", "mem=3GB", "account=nlp", "nice=7", "cpus-per-task=1"):
        assert f"#SBATCH --{flag}\n" in array
    assert "#SBATCH --array=0-1%2\n" in array
    assert "--array" not in single


@pytest.mark.slow
def test_a_ray_cluster_that_is_not_there_is_told(tmp_path, monkeypatch):
    pytest.importorskip("ray").shutdown()  # the one that the tests above used
    # "auto" takes any Ray on the machine, such as that of tests which run beside this one.
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", cache(set))
    nobody = build(orca_cluster.RAY, make_context(tmp_path), address="auto")
    with pytest.raises(UserError, match="no Ray cluster can be reached"):
        list(nobody.map(cluster_tasks.square, [1]))
