"""orca-judge: open-ended answers judged by any teacher against a reference, or graded by themselves.

The paper's protocol has one judge see the reference first; the sound one asks in both orders and tells how biased the judge is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core import Component, Evaluator, Responder, hookimpl
from orca_judge.answers import ANSWERS
from orca_judge.evaluator import EVALUATOR


@hookimpl
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """The judge."""
    return [EVALUATOR]


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """Answers out of a file, as reference or as a subject of their own."""
    return [ANSWERS]
