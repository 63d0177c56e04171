"""Errors for people: each says what was wrong, where, what is allowed and what to do.

The command line turns a :class:`UserError` into its message and exit code 2; anything else that is not an interrupt is a
defect of ours (or of a plugin) and shows its traceback with exit code 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class OrcaError(Exception):
    """Base of everything that orca raises on purpose. Pickled, it stays what it is, whatever its constructor takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[OrcaError], args: tuple[Any, ...], state: dict[str, Any]) -> OrcaError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UserError(OrcaError):
    """The user can mend this: wrong input, missing key, unreadable file. Shown without a traceback; exit code 2."""


class OutOfBudgetError(UserError):
    """The next request might pass a budget's cap. What arrived is kept; the core adds what is left to do and its cost."""


class ConfigError(UserError):
    """All problems of a configuration at once, one line each (``key: what is wrong``)."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(UserError):
    """A data file that cannot be used, with its place (``file:line``)."""

    def __init__(self, path: Path | str, what: str, *, line: int | None = None) -> None:
        self.path, self.line = Path(path), line
        place = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{place}: {what}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known word, or the list of what is allowed if none is near."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""
