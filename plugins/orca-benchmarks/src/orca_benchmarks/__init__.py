"""Benchmarks by the Orca paper's protocol and by sound ones beside it, with the published figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_benchmarks.evaluator import EVALUATORS
from orca_benchmarks.toxigen import TOXIGEN
from orca_core.component import Component
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Evaluator


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """One per benchmark."""
    return [*EVALUATORS, TOXIGEN]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """Presets."""
    return ["pkg://orca_benchmarks.conf"]
