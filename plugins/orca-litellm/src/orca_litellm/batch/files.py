"""One provider batch as it stands on disk: a directory with its files, its record in the response log, and its lock.

Every step of a batch is durable before the next begins, so a process can die anywhere: the next one that can lock the batch
reads how far it is and goes on from there. The lock ends with its process, however that ends.
"""

from __future__ import annotations

import enum
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from orca_core.responses import ResponseLog, make_request
from orca_litellm.batch.spool import Spool

MAX_REQUESTS: Final = 50_000
MAX_BYTES: Final = 100_000_000
"""A file stays below this: half of OpenAI's limit, the least of the others'."""
CHATS: Final = "/v1/chat/completions"
INPUT: Final = "input.jsonl"


class State(enum.StrEnum):
    """How far a batch is. What a state says is durable when it is recorded."""

    FILLING = "filling"
    """Requests are being claimed under its name. Left in this state, it is dissolved."""
    PREPARED = "prepared"
    """All of its requests are claimed and in its input file."""
    UPLOADED = "uploaded"
    """The provider has the file, ``file``. Whether a batch was created of it is not known."""
    CREATED = "created"
    """The provider works on it, as ``id``."""
    ENDED = "ended"
    """What there is of output and errors is here, as ``results``."""
    SETTLED = "settled"
    """All of that is in the log, and no request is claimed under its name any more."""


class Batch:
    """One batch, locked by this process. Made by :meth:`start` and :meth:`adopt`."""

    def __init__(self, log: ResponseLog, model: str, directory: Path, data: dict[str, Any], lock: int) -> None:
        self.name, self.directory, self.data = directory.name, directory, data
        self.waiting = Spool(directory.parent)
        """This process's prompts whose answers it will bring."""
        self._log, self._model, self._lock = log, model, lock
        self._input: IO[bytes] | None = None

    @classmethod
    def start(cls, log: ResponseLog, model: str, root: Path, **data: Any) -> Batch:
        """A new batch, being filled; its lock is held before anyone can see its record."""
        directory = root / f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700)
        lock = _lock(directory)
        assert lock is not None, "nobody else knows of it yet"
        batch = cls(log, model, directory, {"requests": 0, "bytes": 0, "at": time.time(), **data}, lock)
        batch.save(State.FILLING)
        return batch

    @classmethod
    def adopt(cls, log: ResponseLog, model: str, directory: Path) -> Batch | None:
        """A batch that another process left behind; None if that one is alive, or has settled it."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(directory)
        if lock is None:
            return None
        # read now that nobody else changes it
        batch = cls(log, model, directory, log.batches(model)[directory.name], lock)
        if batch.state is State.SETTLED:
            batch.close()
            return None
        return batch

    @property
    def state(self) -> State:
        """How far it is."""
        return State(self.data["state"])

    @property
    def requests(self) -> int:
        """How many it holds."""
        return int(self.data["requests"])

    @property
    def size(self) -> int:
        """Bytes of its input."""
        return int(self.data["bytes"])

    @property
    def input(self) -> Path:
        """The file that is uploaded."""
        return self.directory / INPUT

    def save(self, state: State, **changes: Any) -> None:
        """Record a step; durable when this returns. Settled, nothing is claimed under the batch's name any more."""
        self.data |= changes | {"state": str(state)}
        self._log.save_batch(self.name, self._model, self.data, release=state is State.SETTLED)

    def add(self, line: bytes) -> None:
        """Write a request into the input file. It counts when the batch is sealed."""
        if self._input is None:
            self._input = os.fdopen(os.open(self.input, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._input.write(line)
        self.data["requests"] += 1
        self.data["bytes"] += len(line)

    def seal(self) -> None:
        """No more requests: what was added is durable from now on."""
        assert self._input is not None, "a batch of no request is never sealed"
        sync(self._input)
        self._input.close()
        sync_directory(self.directory)
        self.save(State.PREPARED)

    def settle(self) -> None:
        """Everything is in the log. The results stay on disk; the input, whose requests are in the log, goes."""
        self.save(State.SETTLED)
        self.input.unlink(missing_ok=True)

    def dissolve(self) -> None:
        """Forget a batch of which nothing was worked on: its requests are free for another."""
        self.save(State.SETTLED, dissolved=True)
        shutil.rmtree(self.directory)

    def give_up(self) -> None:
        """Forget a batch whose files someone deleted: its requests are free, and may have been billed if it was submitted."""
        billed = self.state is not State.PREPARED
        self.data |= {"given_up": True, "state": str(State.SETTLED)}
        self._log.save_batch(self.name, self._model, self.data, release=True, maybe_billed=billed)
        shutil.rmtree(self.directory)

    def close(self) -> None:
        """Let go of it; whoever locks it next goes on with it."""
        if self._input is not None:
            self._input.close()
        self.waiting.close()
        os.close(self._lock)


def write_line(key: bytes, sample: int, body: Mapping[str, Any]) -> bytes:
    """A request as a line of an input file. Plain ASCII: it holds nothing that anyone could take for the end of a line."""
    name = f"{key.hex()}.{sample}" if sample else key.hex()
    row = {"custom_id": name, "method": "POST", "url": CHATS, "body": body}
    return json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_line(line: bytes, model: str, decoding: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Key and request, as the response log keeps them, of a line that :func:`write_line` wrote."""
    row = json.loads(line)
    key, _, sample = row["custom_id"].partition(".")
    return bytes.fromhex(key), make_request(model, row["body"]["messages"], decoding, int(sample or 0))


def sync(file: IO[bytes]) -> None:
    """Make what was written survive a power cut."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _lock(directory: Path) -> int | None:
    """A lock on the batch; None if a process that is alive has it."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
