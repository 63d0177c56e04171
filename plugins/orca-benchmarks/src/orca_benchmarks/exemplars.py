"""Exemplars that others wrote out: BIG-Bench Hard's ``cot-prompts/<task>.txt``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orca_core.errors import DataError

_CANARY_ENDS: Final = "-----"


def written_out(directory: Path, task: str) -> str:
    """The text of a task's exemplars without the canary above it.

    Raises:
        DataError: the file is missing or not UTF-8, or does not end in an answer to a ``Q:``.
    """
    file = directory / f"{task}.txt"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(file, f"not UTF-8 text: byte {error.start}") from None
    head, separator, body = text.partition(f"\n{_CANARY_ENDS}\n")
    worked = (body if separator else head).strip()
    if "Q:" not in worked or "\nA:" not in worked:
        raise DataError(file, 'holds no exemplars: "Q: ..." and, on a line of its own, "A: ..."')
    return worked
