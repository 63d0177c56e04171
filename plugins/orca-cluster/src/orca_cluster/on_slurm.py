"""Shards as jobs: of Slurm, or of this machine, through submitit. A job that left no result is followed by another."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from orca_cluster import SubmititConfig
from orca_cluster.task import GRACE_S, Failure, attempt, load, unwrap
from orca_core import UserError

T = TypeVar("T")
R = TypeVar("R")
LOOK_S: Final = 0.2
"""How often jobs are looked after; submitit asks Slurm itself when a job has run half as long again, at most every ten minutes."""
OUT_OF_TIME: Final = "UncompletedJobError"
"""What submitit raises in a task that ran out of time more often than it may be sent to the queue again."""


class _Attempt:
    """What a job does. Slurm's warning before a time limit or a preemption sends it to the queue again, where it carries on."""

    def __init__(self, function: Callable[[Any], Any], task: Any) -> None:
        self.function, self.task = function, task

    def __call__(self) -> Any:
        return attempt(self.function, self.task)

    def checkpoint(self) -> Any:
        """submitit's hook for that warning."""
        return load("submitit", "submitit").helpers.DelayedSubmission(self)


@dataclass
class _Run:
    """A task, the job that does it now, and how many did it before."""

    task: Any
    job: Any = None
    restarts: int = 0


class SubmititExecutor:
    """An executor of jobs.

    Args:
        config: of the jobs.
        folder: where they are handed over and leave their results and logs (kept of uses that failed); on a disk that all
            machines share.
    """

    def __init__(self, config: SubmititConfig, folder: Path) -> None:
        # a folder of its own for each use: ids of local jobs are process ids, and those come again
        self.config, self.workers, self.folder = config, config.workers, folder / uuid.uuid4().hex

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Generator[R, None, None]:
        """Results in the order of completion, never more than ``workers`` jobs at once."""
        if not tasks:
            return
        submitit = load("submitit", "submitit")
        executor = self._executor(submitit)
        waiting, running = [_Run(task) for task in reversed(tasks)], list[_Run]()
        try:
            while waiting or running:
                starting = [waiting.pop() for _ in range(min(len(waiting), self.workers - len(running)))]
                running += starting
                self._submit(executor, function, starting)
                for run in [run for run in running if run.job.done()]:
                    running.remove(run)
                    outcome = self._outcome(submitit, run)
                    if outcome is None:
                        waiting.append(_Run(run.task, restarts=run.restarts + 1))
                    else:
                        yield unwrap(outcome[0])
                if running:
                    time.sleep(LOOK_S)
            shutil.rmtree(self.folder)
        finally:
            _end([run.job for run in running if run.job is not None])

    def _executor(self, submitit: Any) -> Any:
        """submitit's executor with the parameters of the config.

        Raises:
            UserError: a parameter that it does not know, or no Slurm on this machine.
        """
        config = self.config
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shared = {"timeout_min": config.minutes, "cpus_per_task": config.cpus, "mem_gb": config.memory_gb}
        gpus = {"gpus_per_node": config.gpus} if config.gpus else {}
        only = {"partition": config.partition} if config.partition else {}
        slurm = {f"slurm_{name}": value for name, value in {**only, **config.slurm}.items()}
        try:
            executor = submitit.AutoExecutor(
                folder=str(self.folder), cluster=config.cluster, slurm_max_num_timeout=config.restarts
            )
            executor.update_parameters(name="orca", **shared, **gpus, **slurm)
        except (NameError, TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise UserError(f"executor=submitit: {' '.join(str(error).split())}") from None
        return executor

    def _submit(self, executor: Any, function: Callable[[Any], Any], runs: Sequence[_Run]) -> None:
        """Hand jobs over together: on Slurm, several at once are one array.

        Raises:
            UserError: Slurm refuses them; with its words.
        """
        if not runs:
            return
        try:
            with executor.batch():
                jobs = [executor.submit(_Attempt(function, run.task)) for run in runs]
        except Exception as error:  # submitit's FailedJobError, the library being optional
            if type(error).__name__ != "FailedJobError":
                raise
            raise UserError(f"executor=submitit: Slurm refuses the jobs: {' '.join(str(error).split())}") from None
        for run, job in zip(runs, jobs, strict=True):
            run.job = job

    def _outcome(self, submitit: Any, run: _Run) -> tuple[Any | Failure] | None:
        """What a finished job left, or None if it died and another may take its place."""
        # on this machine a missing file is missing; a network disk is given submitit's time to show it
        lost = self.config.cluster == "local" and not run.job.paths.result_pickle.exists()
        try:
            outcome = None if lost else (run.job.result(),)
        except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError):
            outcome = None
        late = (
            outcome is not None and isinstance(outcome[0], Failure) and type(outcome[0].error).__name__ == OUT_OF_TIME
        )
        if not late and (outcome is not None or run.restarts < self.config.restarts):
            return outcome
        how = "ran out of time too often" if late else f"died {run.restarts + 1} times"
        raise UserError(
            f"executor=submitit: a shard's jobs {how}, the last in state {run.job.state}; its log: {run.job.paths.stderr}. "
            "What arrived is kept: run again, with executor.restarts, minutes or memory_gb raised"
        )


def _end(jobs: Sequence[Any]) -> None:
    """Give what still runs the time to end by itself, then end it; its node-local log tells what was in flight."""
    deadline = time.monotonic() + GRACE_S
    while any(not job.done() for job in jobs) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    for job in jobs:
        if not job.done():
            job.cancel(check=False)
