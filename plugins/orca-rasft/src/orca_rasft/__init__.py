"""RASFT (arXiv 2606.07006): fine-tuning that imitates the expert less where the policy's own verified answers succeed.

Importing this package imports neither torch nor transformers nor lightning: they are loaded when a student is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component, Context
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Student
from orca_rasft.config import RasftConfig, Rollouts, Window

__all__ = ["RASFT", "RasftConfig", "Rollouts", "Window"]


def _build(config: RasftConfig, context: Context) -> Student:
    from orca_rasft.student import RasftStudent

    return RasftStudent(config, context)


RASFT = Component[RasftConfig, Student]("rasft", RasftConfig, _build)


@hookimpl
def orca_students() -> Iterable[Component[Any, Student]]:
    """The student ``rasft``."""
    return [RASFT]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The preset ``student=rasft-tiny`` and the experiment ``citing/rasft``."""
    return ["pkg://orca_rasft.conf"]
