"""Shards as tasks of a Ray cluster. Ray itself sees to it that the task of a dead worker or node runs again."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, TypeVar

from orca_cluster import RayConfig
from orca_cluster.task import GRACE_S, attempt, load, unwrap
from orca_core import UserError

T = TypeVar("T")
R = TypeVar("R")
OBJECT_STORE: Final = 80 << 20
"""Bytes of shared memory, near Ray's least: tasks and results are file names and counts."""
log = logging.getLogger("orca")


class RayExecutor:
    """An executor on a cluster that is there already, or on one that this process starts and that ends with it."""

    def __init__(self, config: RayConfig) -> None:
        self.config, self.workers = config, config.workers

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Generator[R, None, None]:
        """Results in the order of completion, never more than ``workers`` tasks at once."""
        if not tasks:
            return
        ray = self._connected()
        config, waiting, running = self.config, list(tasks)[::-1], list[Any]()
        remote = ray.remote(attempt).options(
            num_cpus=config.cpus_per_worker,
            num_gpus=config.gpus_per_worker,
            max_retries=config.restarts,
            retry_exceptions=False,
        )
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    running.append(remote.remote(function, waiting.pop()))
                (ready,), running = ray.wait(running, num_returns=1)
                yield unwrap(self._result(ray, ready))
        finally:
            _end(ray, running)

    def _result(self, ray: Any, ready: Any) -> Any:
        try:
            return ray.get(ready)
        except ray.exceptions.RayError as error:
            what = str(error).strip().split("\n")[0]
            raise UserError(
                f"executor=ray: a shard's workers died {self.config.restarts + 1} times ({type(error).__name__}: {what}). What "
                "arrived is kept: run again, with executor.restarts=N for more patience, or with more memory a worker"
            ) from None

    def _connected(self) -> Any:
        """Ray, connected to the configured cluster, or to the one to which this process is connected already."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it must not report to its makers
        if self.config.address is None and "ray" not in sys.modules:
            # As by default, but without telling it in every run. Read at the import: set later, this process and the servers
            # that it starts would not agree.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        ray = load("ray", "ray")
        if ray.is_initialized():
            return ray
        quiet = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
        if self.config.address is None:
            cores = max(1, math.ceil(self.workers * self.config.cpus_per_worker))
            ray.init(num_cpus=cores, include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)
            return ray
        try:
            ray.init(address=self.config.address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            what = str(error).strip().split("\n")[0]
            raise UserError(
                f"executor.address = {self.config.address}: no Ray cluster can be reached there ({what}); "
                "start one with `ray start --head`, or leave the address out to use this machine alone"
            ) from None
        self._check_room(ray)
        return ray

    def _check_room(self, ray: Any) -> None:
        """Ray waits for ever for a node that is large enough: say so, as an autoscaler may yet bring one."""
        need = {"CPU": self.config.cpus_per_worker, "GPU": self.config.gpus_per_worker}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(kind, 0) >= amount for kind, amount in need.items()) for node in nodes):
            log.warning("executor=ray: no node of the cluster has room for a worker (%s); waiting for one", need)


def _end(ray: Any, running: Sequence[Any]) -> None:
    """Give what still runs the time to end by itself, then end it; its node-local log tells what was in flight."""
    if running:
        _, left = ray.wait(list(running), num_returns=len(running), timeout=GRACE_S)
        for reference in left:
            ray.cancel(reference, force=True)
