"""The content-addressed store: ``store/<stage>/<key>/``, finished exactly when ``done.json`` is there.

A key is a hash of everything that decides the result, so a finished stage is never done again, by any run or sweep job.
While a process works on a stage it holds a lock (``flock``: it ends with the process, however that ends); another one that
wants the same stage waits and then finds it done. A directory without ``done.json`` is handed back to the stage, which
carries on from the files that are whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orca_core.errors import UserError

FORMAT: Final = 1
"""Part of every key: raised when the files of a stage change their meaning."""


def key_of(identity: Mapping[str, Any]) -> str:
    """BLAKE2b-128 of the canonical JSON (sorted keys, no spaces) of what decides a result, in hexadecimal."""
    canonical = json.dumps({"format": FORMAT, **identity}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Slot:
    """The place of one stage's result."""

    path: Path

    @property
    def done(self) -> Mapping[str, Any] | None:
        """What the stage wrote when it finished, or None while it has not."""
        try:
            return json.loads((self.path / "done.json").read_text())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Mark the result as complete; nothing in the directory changes after this."""
        write_json(self.path / "done.json", facts)

    def files(self, pattern: str) -> list[Path]:
        """The shards of the result, in order."""
        return sorted(self.path.glob(pattern))


class Store:
    """All results of all runs below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def cache(self) -> Path:
        """Where components keep what outlives runs (responses that were paid for, tokenised data)."""
        return self.root / "cache"

    def prepare(self) -> None:
        """Make the directories, a new store for its owner alone: it holds prompts and answers.

        Raises:
            UserError: they cannot be made or written to.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.cache.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(
                f"store = {self.root}: cannot be used ({error.strerror}); choose another with store=PATH or ORCA_STORE"
            ) from None

    def slot(self, stage: str, key: str) -> Slot:
        """The place of a result, whether or not it is there."""
        return Slot(self.root / stage / key)

    @contextmanager
    def locked(self, slot: Slot, *, on_wait: str = "") -> Iterator[Slot]:
        """The slot, with nobody else working on it."""
        slot.path.mkdir(parents=True, exist_ok=True)
        with (slot.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                import logging

                logging.getLogger("orca").info("%s: another process is at it; waiting for its result", on_wait)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield slot


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is whole whenever it is there, even after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w") as file:
            json.dump(value, file, indent=1, ensure_ascii=False, default=str)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Measures the seconds inside the block into ``["seconds"]``."""
    clock: dict[str, float] = {}
    start = time.monotonic()
    try:
        yield clock
    finally:
        clock["seconds"] = round(time.monotonic() - start, 3)
