"""The formats that we read and write, and telling which one a file is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from orca_core.errors import DataError
from orca_core.formats.base import Format, Row
from orca_core.formats.chat import MESSAGES, PROMPT_COMPLETION, SHAREGPT
from orca_core.formats.instructions import ALPACA, DOLPHIN, which
from orca_core.formats.openorca import OPENORCA
from orca_core.formats.orca import ORCA

FormatName = Literal[
    "auto", "orca", "openorca", "slimorca", "sharegpt", "messages", "prompt-completion", "dolphin", "alpaca"
]
"""What ``format:`` may be."""
FORMATS: Final[Mapping[str, Format]] = {
    format.name: format for format in (ORCA, OPENORCA, SHAREGPT, MESSAGES, PROMPT_COMPLETION, DOLPHIN, ALPACA)
} | {"slimorca": SHAREGPT}
EXPORTS: Final[Mapping[str, Format]] = {
    "openorca": OPENORCA,
    "sharegpt": SHAREGPT,
    "messages": MESSAGES,
    "prompt-completion": PROMPT_COMPLETION,
    "alpaca": ALPACA,
    "parquet": ORCA,
}
"""What ``orca export --format`` may be."""


def told(rows: Sequence[Row], path: Path) -> Format:
    """The format of a file by its first rows.

    Raises:
        DataError: it is none of ours, or could be more than one.
    """
    columns = set(rows[0])
    found = {format.name for format in FORMATS.values() if format.needed <= columns}
    if found & {DOLPHIN.name, ALPACA.name}:
        certain = which(rows)
        found = found - {DOLPHIN.name, ALPACA.name} | ({certain.name} if certain else {ALPACA.name, DOLPHIN.name})
    if len(found) == 1:
        return FORMATS[found.pop()]
    if found:
        choices = " or ".join(f"format={name} ({FORMATS[name].columns})" for name in sorted(found))
        raise DataError(path, f"its format cannot be told for certain; say {choices}")
    known = "".join(f"\n  {name}: {format.columns}" for name, format in FORMATS.items())
    raise DataError(path, f"its columns ({', '.join(map(str, rows[0]))}) are those of no known format:{known}")
