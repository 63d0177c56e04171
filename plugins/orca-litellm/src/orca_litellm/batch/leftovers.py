"""Batches that were left behind, when the same teacher asks without batches: their answers are paid for, or will be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from orca_core import UserError
from orca_litellm.asking.stream import background_loop
from orca_litellm.batch.files import State
from orca_litellm.batch.fleet import Fleet
from orca_litellm.batch.job import BatchJob
from orca_litellm.batch.steps import Steps

T = TypeVar("T")


def clear_up(job: BatchJob) -> None:
    """Fetch what batches have brought, and free the requests of those that were never submitted.

    Batches that a live process takes care of are left to it.

    Raises:
        UserError: a provider still works on some, and nobody takes care of them.
    """
    batches = job.log.batches(job.config.model).values()
    urls = {str(data["url"]) for data in batches if data["state"] != State.SETTLED}
    if not urls:
        return
    if len(job.config.places) > 1:
        raise still_running(job, urls)
    fleet = Fleet(job, Steps(job.provider, job.log, job.config.model, job.read, _wait_for, submits=False))
    try:
        fleet.adopt()
        while True:
            for _ in fleet.advance():
                pass
            if fleet.all_run:
                break
            time.sleep(max(0.0, fleet.due - time.monotonic()))
        if fleet or fleet.strangers:
            raise still_running(job, fleet.strangers or {job.place.url})
    finally:
        fleet.leave()


def still_running(job: BatchJob, urls: set[str]) -> UserError:
    """The error for answers that are on their way where this teacher would not fetch them."""
    return UserError(
        f"answers of {job.config.model} are on their way in batches at {', '.join(sorted(urls))}: fetch them with "
        "teacher.batch=true and that endpoint (teacher.api_base), or cancel them there and run again"
    )


def _wait_for(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, background_loop()).result()
