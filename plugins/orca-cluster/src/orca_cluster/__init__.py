"""orca-cluster: asking and answering on more than one machine, as tasks of a Ray cluster or as jobs of Slurm.

Neither library is needed to install the plugin: ``pip install "orca-cluster[ray]"`` or ``"orca-cluster[submitit]"`` brings it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, model_validator

from orca_core import Component, Config, Context, hookimpl, unkeyed
from orca_core.protocols import Executor


class RayConfig(Config):
    """Works on a Ray cluster, or on several processes of this machine if no address is given."""

    address: str | None = unkeyed(
        None,
        description="of a running cluster: auto, HOST:6379 or ray://HOST:10001; null: one of this machine's processes alone",
    )
    workers: int = unkeyed(2, ge=1, description="shards that are worked on at once")
    cpus_per_worker: float = unkeyed(1.0, ge=0, description="cores that a worker occupies")
    gpus_per_worker: float = unkeyed(0.0, ge=0, description="GPUs that a worker sees")
    restarts: int = unkeyed(3, ge=0, description="how often a shard is taken over from a worker that died")


class SubmititConfig(Config):
    """Works in jobs of a Slurm cluster, or of this machine, through submitit."""

    cluster: Literal["slurm", "local"] = unkeyed("slurm", description="slurm, or local: processes of this machine")
    workers: int = unkeyed(2, ge=1, description="shards that are worked on at once: the width of the job array")
    restarts: int = unkeyed(3, ge=0, description="how often a shard is given to a new job after one that died")
    minutes: int = unkeyed(1440, ge=1, description="time limit of a job; what it had done by then is kept")
    cpus: int = unkeyed(1, ge=1, description="cores of a job")
    gpus: int = unkeyed(0, ge=0, description="GPUs of a job")
    memory_gb: float = unkeyed(4.0, gt=0, description="memory of a job")
    partition: str | None = unkeyed(None, description="Slurm's partition; null: the cluster's default")
    slurm: dict[str, Any] = Field(
        default_factory=dict,
        description="further parameters of submitit's Slurm executor: account, qos, constraint, setup, ...",
        json_schema_extra={"unkeyed": True},
    )

    @model_validator(mode="after")
    def _slurm_is_for_slurm(self) -> SubmititConfig:
        if self.cluster == "local" and (self.slurm or self.partition):
            raise ValueError("partition and slurm are for cluster=slurm; leave them out with cluster=local")
        return self


def _build_ray(config: RayConfig, context: Context) -> Executor:
    from orca_cluster.on_ray import RayExecutor

    return RayExecutor(config)


def _build_submitit(config: SubmititConfig, context: Context) -> Executor:
    from orca_cluster.on_slurm import SubmititExecutor

    return SubmititExecutor(config, folder=context.cache / "submitit")


RAY = Component("ray", RayConfig, _build_ray)
SUBMITIT = Component("submitit", SubmititConfig, _build_submitit)


@hookimpl
def orca_executors() -> Iterable[Component[Any, Executor]]:
    """Ray and submitit."""
    return [RAY, SUBMITIT]
