"""Running the training process: start it, follow it, end it with this one."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from collections import deque
from typing import Any

from orca_core.component import ProgressFn
from orca_core.errors import OrcaError, UserError
from orca_lightning.job import MARK, Job
from orca_lightning.launch import command, environment, other_machines

log = logging.getLogger(__name__)
_TAIL = 100  # lines of the child's output shown when it fails
_GRACE = 30.0  # seconds that an interrupted child has to save its state


class TrainingError(OrcaError):
    """The training process broke, for another reason than a mistake of the user's."""


def run_child(job: Job, progress: ProgressFn) -> None:
    """Run a job in a child process to its end, reporting each step.

    Whatever ends this process ends the child: an interrupt lets it save its state first; a kill closes the pipe it watches.

    Raises:
        UserError: the child found a mistake of the user's.
        TrainingError: it ended otherwise than well.
    """
    if others := other_machines(job.config, job.out):
        log.warning("waiting for %d more machines; on each of them run: %s", job.config.nodes - 1, others)
    child = subprocess.Popen(
        command(job.config, job.write()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(job.config),
        start_new_session=True,
    )
    with child:
        try:
            failure, tail = _follow(child, progress)
        except BaseException:
            _end(child)
            raise
    if failure is not None:
        raise UserError(failure)
    if child.returncode:
        raise TrainingError(_explain(child.returncode, tail))


def _follow(child: subprocess.Popen[str], progress: ProgressFn) -> tuple[str | None, deque[str]]:
    """Read what the child tells until it ends: (the user's mistake it found, the last lines of its log)."""
    tail: deque[str] = deque(maxlen=_TAIL)
    failure: str | None = None
    meter = _Meter(progress)
    assert child.stdout is not None
    for line in child.stdout:
        if not line.startswith(MARK):
            tail.append(line)
            continue
        told: dict[str, Any] = json.loads(line.removeprefix(MARK))
        failure = told.get("failure", failure)
        meter.told(told)
    child.wait()
    return failure, tail


class _Meter:
    """Turns what the child tells into progress with a rate."""

    def __init__(self, progress: ProgressFn) -> None:
        self.progress = progress
        self.steps: float | None = None
        self.first: tuple[float, float] | None = None

    def told(self, told: dict[str, Any]) -> None:
        if "steps" in told:
            self.steps = told["steps"]
            self.progress(0, self.steps)
            log.info("training: %s", ", ".join(f"{name} {value}" for name, value in told.items()))
            total = told["examples"] + told["dropped"]
            for what in ("truncated", "dropped"):
                if told[what]:
                    log.warning("%d of %d examples %s: longer than student.max_length", told[what], total, what)
        elif "target" in told:
            log.info(
                "packed examples train as they do alone; an example ends: %(prompt)r is followed by %(target)r", told
            )
        elif "answers" in told:
            left = told["seconds"] * (told["of"] / told["answers"] - 1)
            log.info("the student's own answers: %d of %d, ETA %.0f s", told["answers"], told["of"], left)
        elif "validation_loss" in told:
            log.info("step %(step)d: validation loss %(validation_loss).4f, perplexity %(perplexity).4g", told)
        elif "step" in told:
            now = (time.monotonic(), told["tokens"])
            self.first = self.first or now
            elapsed = now[0] - self.first[0]
            rate = (now[1] - self.first[1]) / elapsed if elapsed else 0.0
            shares = {name: told[name] for name in ("mfu",) if name in told}
            self.progress(told["step"], self.steps, loss=told["loss"], tokens_per_s=rate, **shares)


def _end(child: subprocess.Popen[str]) -> None:
    """Let the child save its state, or kill it and its processes if that takes too long."""
    child.terminate()
    try:
        child.wait(_GRACE)  # not communicate(), which closes the pipe whose end tells the child to drop everything
    except BaseException as reason:
        os.killpg(child.pid, signal.SIGKILL)
        if not isinstance(reason, subprocess.TimeoutExpired):
            raise


def _explain(status: int, tail: deque[str]) -> str:
    text = "".join(tail).rstrip()
    if status == -signal.SIGKILL:
        return (
            f"the training process was killed; often the machine ran out of memory (fewer student.micro_rows?)\n{text}"
        )
    return f"the training process ended with status {status}; the same command resumes it. It last said:\n{text}"
