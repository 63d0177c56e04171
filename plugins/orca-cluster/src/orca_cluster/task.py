"""A task on another machine: how its errors come home as themselves, and what is said of a library that is missing."""

from __future__ import annotations

import importlib
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from orca_core import UserError
from orca_core.errors import OrcaError

T = TypeVar("T")
R = TypeVar("R")
GRACE_S: Final = 5.0
"""How long the other tasks may take to end by themselves once one of them has failed."""


@dataclass(frozen=True)
class Failure:
    """A task's error as a value: what Ray and submitit make of an error that is raised is a wrapped traceback."""

    error: Exception


def attempt(function: Callable[[T], R], task: T) -> R | Failure:
    """The task's result, or its error as one that can travel. Interrupts pass through."""
    try:
        return function(task)
    except Exception as error:
        return Failure(_portable(error))


def unwrap(outcome: R | Failure) -> R:
    """The result of a task.

    Raises:
        Exception: the task's own error.
    """
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def _portable(error: Exception) -> Exception:
    """The error, with the place where it came up in its notes unless it is one for people."""
    if not isinstance(error, UserError):
        error.add_note("".join(["in a worker:\n", *traceback.format_tb(error.__traceback__)]))
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:  # whatever an error's own constructor makes of it
        again = None
    return error if type(again) is type(error) else OrcaError(f"{type(error).__name__}: {error}")


def load(library: str, executor: str) -> Any:
    """Import an optional library.

    Raises:
        UserError: it is not installed; names the command that mends it.
    """
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise UserError(
            f'executor = {executor}: {library} is not installed; pip install "orca-cluster[{library}]", or executor=local'
        ) from None
