"""How a worker's answers reach the others: a log on its own disk, and closed files of new rows on the disk that all share.

A worker that takes a range over starts from what was shipped of it, and on the same machine from the very log: a process that
dies loses nothing that had arrived, a machine that is lost loses what arrived in its last seconds.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from orca_core.errors import DataError, UserError
from orca_core.responses import ResponseLog
from orca_core.responses.parts import Balance, Mark, cut, start
from orca_core.responses.schema import FILE, make_private

OWNERS: Final = "owners"
"""The directory that a log keeps beside it."""
SHIP_S: Final = 2.0
"""Seconds between two shipments: what a machine that is lost takes with it."""


@dataclass(frozen=True)
class Depot:
    """The directory on the shared disk through which one round of asking goes."""

    path: Path

    @property
    def parts(self) -> Path:
        """Where shipments arrive."""
        return self.path / "parts"

    def prompts(self, index: int) -> Path:
        """Where the prompts of a range lie."""
        return self.path / f"range-{index:05d}"

    def stop(self) -> None:
        """Tell every worker to send nothing new; what is in flight may still arrive."""
        with suppress(FileNotFoundError):  # a depot that is gone has stopped
            (self.path / "stop").touch()

    @property
    def stopped(self) -> bool:
        """Whether nothing new is to be sent: told so, or nobody waits for it any more."""
        return not self.path.exists() or (self.path / "stop").exists()

    def end(self) -> None:
        """Write down that nobody works here any more."""
        (self.path / "ended").touch()

    @property
    def ended(self) -> bool:
        """Whether the executor has ended every worker; not so after a kill of the process that had started them."""
        return (self.path / "ended").exists()

    def shipped(self, index: int | None = None) -> list[Path]:
        """The shipments so far, of one range or of all."""
        return sorted(self.parts.glob("*.sqlite" if index is None else f"{index:05d}-*.sqlite"))


def homes(stage: Path) -> Path:
    """Where this machine keeps the logs of a stage's ranges.

    Raises:
        UserError: the place belongs to somebody else.
    """
    root = Path(tempfile.gettempdir()) / f"orca-{os.getuid()}"
    make_private(root)
    if root.stat().st_uid != os.getuid() or root.is_symlink():
        raise UserError(f"{root}: belongs to another user; set TMPDIR to a directory of your own")
    return root / hashlib.blake2b(str(stage).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Home:
    """The log of one range on the disk of the machine where it is worked on."""

    path: Path

    @property
    def log(self) -> Path:
        """The file."""
        return self.path / FILE

    @property
    def mark(self) -> Mark:
        """How far it was shipped."""
        with suppress(FileNotFoundError):
            return Mark(**json.loads((self.path / "mark.json").read_text()))
        return Mark()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """With nobody else at it; a worker whose round was stopped is waited for."""
        make_private(self.path)
        with (self.path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def ship(self, to: Path, prefix: str) -> None:
        """Hand over what is new as a file in a directory of the shared disk."""
        local = self.path / "part.sqlite"
        mark = cut(self.log, local, self.mark)
        if mark is None:
            return
        name = f"{prefix}-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        arriving = to / f".{name}.tmp"
        try:
            with local.open("rb") as source, arriving.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            arriving.replace(to / f"{name}.sqlite")
        finally:
            arriving.unlink(missing_ok=True)
            local.unlink()
        marked = self.path / ".mark.json"
        marked.write_text(json.dumps(asdict(mark)))
        marked.replace(self.path / "mark.json")

    def prepare(self, opening: Sequence[Balance], shipped: Sequence[Path], earlier: Sequence[Home]) -> None:
        """Start the log, or carry on with it: what was shipped of its range, and what an earlier round did not ship."""
        start(self.log, opening)
        with ResponseLog(self.log) as log:
            for part in shipped:
                take(log, part, self.path)
            for home in earlier:
                with home.locked():
                    home.empty_into(log, self.path)

    def link(self, cache: Path) -> None:
        """Let whoever works here find what the store's cache holds beside the log."""
        for entry in cache.glob("*"):
            if not entry.name.startswith((FILE, OWNERS, ".")):
                with suppress(FileExistsError):
                    (self.path / entry.name).symlink_to(entry)

    def empty_into(self, log: ResponseLog, scratch: Path) -> int:
        """Move what was not shipped into another log, and go; the number of replies."""
        if not self.log.exists():
            return 0
        with ResponseLog(self.log):
            pass  # what was out when its worker died is written down as maybe billed
        part = scratch / "left.sqlite"
        new = 0
        if cut(self.log, part, self.mark) is not None:
            new = log.merge(part)
            part.unlink()
        shutil.rmtree(self.path)
        return new


def take(log: ResponseLog, part: Path, scratch: Path) -> int:
    """Merge a shipment; from a copy, as nothing is ever locked on the shared disk. Returns the number of new replies."""
    copy = scratch / f"taken-{uuid.uuid4().hex}.sqlite"
    try:
        shutil.copyfile(part, copy)
        return log.merge(copy)
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def every(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Do something again and again beside the block, and once more after it, whose errors are raised."""
    done = threading.Event()

    def again() -> None:
        while not done.wait(seconds):
            with suppress(
                OSError, DataError
            ):  # a disk that is full or away may be back the next time; the last time it tells
                act()

    thread = threading.Thread(target=again, name="orca-shipping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        act()
