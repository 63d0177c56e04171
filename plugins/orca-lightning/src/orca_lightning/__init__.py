"""The Lightning student: a causal language model, fine-tuned on explanations with loss on the response alone.

Importing this package imports neither torch nor transformers nor lightning: they are loaded when a student is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component, Context
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Student
from orca_lightning.config import Generation, LightningConfig, Lora, ModelShape, Validation

__all__ = ["LIGHTNING", "Generation", "LightningConfig", "Lora", "ModelShape", "Validation"]


def _build(config: LightningConfig, context: Context) -> Student:
    from orca_lightning.student import LightningStudent

    return LightningStudent(config, context)


LIGHTNING = Component("lightning", LightningConfig, _build)


@hookimpl
def orca_students() -> Iterable[Component[Any, Student]]:
    """The student ``lightning``."""
    return [LIGHTNING]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The presets ``student=tiny`` and ``student=llama-13b``."""
    return ["pkg://orca_lightning.conf"]
