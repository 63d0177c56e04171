"""orca-infosynth: how many bits a signal adds to what a model knows already, measured before the model trains on its own answers.

After "An Information-Theoretic Criterion for Efficient Data Synthesis" (arXiv 2605.16379). Importing this package imports no numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core import Component, Evaluator, Selector, hookimpl
from orca_infosynth.bits import BITS
from orca_infosynth.evaluator import EVALUATOR
from orca_infosynth.signals import CONFIDENT, MAJORITY, VERDICT


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """The audit of a signal."""
    return [EVALUATOR]


@hookimpl
def orca_selectors() -> Iterable[Component[Any, Selector]]:
    """Three signals, and the selector that spends them where they carry bits."""
    return [BITS, CONFIDENT, MAJORITY, VERDICT]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The experiment ``citing/infosynth`` and its loops."""
    return ["pkg://orca_infosynth.conf"]
