"""Asking and answering by several workers: the same bytes, nothing that arrived paid again, one budget for all."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from cluster_project import LOGGED_RUN, cluster_project, meanwhile

from orca_core import OutOfBudgetError, UserError
from orca_core.responses import FILE, ResponseLog
from orca_core.tables import read_rows
from orca_core.testing import FakeOpenAI, Fault

pytestmark = pytest.mark.slow
on_ray = pytest.mark.parametrize("executor", ["ray"], indirect=True)


def artifacts(store: Path) -> dict[str, str]:
    """Every file of a store's stages by its content, but for clocks and locks."""
    files = (path for path in sorted(store.glob("[!c]*/**/*")) if path.is_file())
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in ("done.json", "lock")
    }


def answers(store: Path) -> list[dict]:
    return list(read_rows(sorted(store.glob("ask/*/traces-*.parquet"))))


def test_the_result_is_that_of_one_process_byte_for_byte(run, executor, tmp_path):
    with FakeOpenAI() as server:
        for teacher in (("teacher=adder", "subjects=[student]"), (*LOGGED_RUN, f"teacher.url={server.url}")):
            run("sampler.n=30", *teacher, store="alone")
            run("sampler.n=30", *teacher, *executor, "executor.workers=2", store="spread")
    assert artifacts(tmp_path / "spread") == artifacts(tmp_path / "alone")
    assert len(answers(tmp_path / "spread")) > 30


def test_kill_9_of_a_worker_loses_nothing_and_pays_at_most_what_was_in_flight_again(run, executor, tmp_path):
    pids = tmp_path / "pids"
    pids.mkdir()

    def kill_one() -> None:
        os.kill(int(next(pids.iterdir()).name), signal.SIGKILL)

    with FakeOpenAI(latency=0.05) as server:
        with meanwhile(lambda: server.billed >= 12 and len(list(pids.iterdir())) == 2, kill_one):
            run("sampler.n=300", *LOGGED_RUN, f"teacher.url={server.url}", f"teacher.pids={pids}", *executor)
        rows = answers(tmp_path / "store")
        assert len(rows) == len(server.billed_prompts) > 60
        assert all(row["finish_reason"] == "stop" for row in rows)
        assert server.billed <= len(rows) + 1, "one request was in flight in the worker that was killed"
        with ResponseLog(tmp_path / "store/cache" / FILE) as log:
            assert len(log) == len(rows)
            assert log.maybe_billed().count >= server.billed - len(rows)
            assert log.maybe_billed().count <= 1
    assert len(list(pids.iterdir())) >= 3, "this process reads the answers back"


@on_ray
def test_a_budget_holds_over_all_workers_and_what_is_left_is_told(run, executor, tmp_path):
    with FakeOpenAI() as server:
        ask = ("sampler.n=300", *LOGGED_RUN, f"teacher.url={server.url}", *executor, "executor.workers=3")
        for budget in (20, 31):
            with pytest.raises(OutOfBudgetError, match=f"budget of {budget} requests is spent"):
                run(*ask, f"teacher.requests={budget}")
            assert server.billed == budget
        run(*ask)
        assert set(server.billed_prompts.values()) == {1}


def test_an_error_in_one_worker_stops_the_others_who_keep_what_they_have(run, executor, tmp_path):
    draw = random.Random(0)
    first = f"{draw.randrange(10)} + {draw.randrange(10)}"
    ask = ("sampler.n=300", *LOGGED_RUN, *executor)
    with FakeOpenAI(when={first: Fault(status=500, error="out of order")}, latency=0.1) as server:
        with pytest.raises(UserError, match="the server says 500"):
            run(*ask, f"teacher.url={server.url}")
        before = server.billed
    with FakeOpenAI() as healthy:
        run(*ask, f"teacher.url={healthy.url}")
        n = len(answers(tmp_path / "store"))
        assert before < n / 4, "the other worker had half of the prompts before it, and five seconds"
        assert before + healthy.billed == n, "what had arrived, or was in flight, was not asked again"


@on_ray
def test_a_dead_letter_comes_home_and_is_asked_once_in_a_run(run, executor, tmp_path):
    with FakeOpenAI() as server:
        ask = ("sampler.n=300", *LOGGED_RUN, f"teacher.url={server.url}", *executor)
        with pytest.raises(UserError, match="no answer to 1 of"):
            run(*ask, "teacher.refuse='7 + 7'")
        run(*ask)
        assert set(server.billed_prompts.values()) == {1}
        assert len(answers(tmp_path / "store")) == len(server.billed_prompts)


def test_the_coordinator_is_killed_and_the_jobs_that_live_on_are_stopped_and_their_answers_kept(tmp_path):
    pytest.importorskip("submitit")
    project = cluster_project(tmp_path)
    with FakeOpenAI(latency=0.05) as server:
        command = ("run", *LOGGED_RUN, "sampler.n=300", f"teacher.url={server.url}")
        spread = ("executor=submitit", "executor.cluster=local")
        process = project.start(*command, *spread)
        deadline = time.monotonic() + 60
        while server.billed < 10:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        project.kill(process)
        again = project.orca(*command, *spread)
        assert again.returncode == 0, again.stderr
        rows = answers(project.root / "store")
        assert len(rows) == len(server.billed_prompts)
        assert server.billed == len(rows), "the jobs ended by themselves, so not even what was in flight was lost"
