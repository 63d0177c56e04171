"""orca-lm-eval: any task of EleutherAI's lm-evaluation-harness, asked of our subjects and scored by lm-eval's own code.

Importing this package does not import lm_eval, which takes seconds: it is loaded with the first prompt.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core import Component, Context, Evaluator, hookimpl
from orca_lm_eval.config import LmEvalConfig

__all__ = ["LM_EVAL", "LmEvalConfig"]


def _build(config: LmEvalConfig, context: Context) -> Evaluator:
    from orca_lm_eval.evaluator import LmEvalEvaluator

    return LmEvalEvaluator(config)


LM_EVAL = Component("lm-eval", LmEvalConfig, _build)


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """The evaluator ``lm-eval``."""
    return [LM_EVAL]
