"""VCRD (arXiv 2605.04078): distillation in which a step of the teacher counts by its validity beside the student's own next step.

Importing this package imports neither torch nor transformers nor lightning: they are loaded when a student is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component, Context
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Student
from orca_vcrd.config import VcrdConfig

__all__ = ["VCRD", "VcrdConfig"]


def _build(config: VcrdConfig, context: Context) -> Student:
    from orca_vcrd.student import VcrdStudent

    return VcrdStudent(config, context)


VCRD = Component[VcrdConfig, Student]("vcrd", VcrdConfig, _build)


@hookimpl
def orca_students() -> Iterable[Component[Any, Student]]:
    """The student ``vcrd``."""
    return [VCRD]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The preset ``student=vcrd-tiny`` and the experiments ``citing/vcrd`` and ``citing/vcrd-gsm8k``."""
    return ["pkg://orca_vcrd.conf"]
