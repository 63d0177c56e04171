"""What goes along with reading millions of rows: what becomes of the bad ones, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from orca_core.component import ProgressFn, canonical
from orca_core.errors import DataError
from orca_core.store import key_of
from orca_flan.config import Collection

log = logging.getLogger("orca")
SHOWN: Final = 5
REPORT_EVERY: Final = 1 << 14
FORMAT: Final = 1
"""Part of every key: raised when the same file is read as other rows."""


class Skipping:
    """Told of bad rows: stops at one, or counts it and goes on; the first few of those are logged."""

    def __init__(self, stop: bool, shown: int = SHOWN) -> None:
        self.stop, self.shown, self.count = stop, shown, 0

    def __call__(self, error: DataError) -> None:
        if self.stop:
            raise error
        self.count += 1
        if self.count <= self.shown:
            log.warning("skipped: %s%s", error, "; further ones are only counted" if self.count == self.shown else "")


class Meter:
    """Counts rows and reports them now and then."""

    def __init__(self, progress: ProgressFn, total: int | None = None) -> None:
        self.progress, self.total = progress, total
        self.done = self._last = 0

    def __call__(self, rows: int = 1) -> None:
        self.done += rows
        if self.done - self._last >= REPORT_EVERY:
            self._last = self.done
            self.progress(self.done, self.total)


def key_of_rows(name: str, collection: Collection, shards: Sequence[str], **more: Any) -> str:
    """Names what is read of a collection: its source's content and shards, and whatever else decides the result."""
    source = canonical(collection.source, f"collections.{name}.source")
    return key_of({"flan": FORMAT, "name": name, "source": source, "shards": list(shards), **more})
