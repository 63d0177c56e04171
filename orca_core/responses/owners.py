"""Who is alive: every open log holds a lock on a file of its own, which ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path

from orca_core.responses.schema import make_private


class Owner:
    """This open log among the others of the same directory. Locks need a local file system, as the log does."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        make_private(directory)
        self.name, self._file = self._enrol()

    def _enrol(self) -> tuple[str, int]:
        while True:
            name = uuid.uuid4().hex
            path = self._directory / name
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists():
                return name, file
            os.close(file)  # someone who cleaned up took the file away between the two calls

    def alive(self, name: str) -> bool:
        """Whether the open log of that name is still open. The file of a dead one is removed."""
        if name == self.name:
            return True
        path = self._directory / name
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            path.unlink(missing_ok=True)
            return False
        finally:
            os.close(file)

    def clean(self) -> None:
        """Remove what dead ones left."""
        for path in self._directory.iterdir():
            self.alive(path.name)

    def close(self) -> None:
        """Leave; nothing is claimed in this name any more."""
        (self._directory / self.name).unlink(missing_ok=True)
        os.close(self._file)
