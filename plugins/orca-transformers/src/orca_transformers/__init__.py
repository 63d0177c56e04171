"""orca-transformers: any Hugging Face causal language model as a teacher, on the devices of this machine.

Importing this package imports neither torch nor transformers: they are loaded with the first prompt. Every answer is kept in
the response log before it counts, as the answers of paid teachers are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core import Component, Context, Responder, hookimpl
from orca_transformers.config import TransformersConfig

__all__ = ["TRANSFORMERS", "TransformersConfig"]


def _build(config: TransformersConfig, context: Context) -> Responder:
    from orca_transformers.teacher import TransformersTeacher

    return TransformersTeacher(config, context)


TRANSFORMERS = Component("transformers", TransformersConfig, _build)


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The teacher ``transformers``; the presets are configurations of it."""
    return [TRANSFORMERS]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The preset ``qwen2.5-7b-instruct``."""
    return ["pkg://orca_transformers.conf"]
