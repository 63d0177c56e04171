"""Prompts on their way, kept in a file: memory does not grow with what is at a provider for a day."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from orca_core import Prompt


class Spool:
    """A queue of prompts, each with the number of batches that it has been through, in a nameless file in ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None

    def __bool__(self) -> bool:
        return self._file is not None

    def add(self, prompt: Prompt, rounds: int) -> None:
        """Append a prompt."""
        if self._file is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 closed by drain
        pickle.dump((prompt, rounds), self._file, pickle.HIGHEST_PROTOCOL)

    def drain(self) -> Iterator[tuple[Prompt, int]]:
        """All prompts, in order. The spool is empty from now on, and can be filled anew meanwhile."""
        file, self._file = self._file, None
        return _read(file) if file is not None else iter(())

    def close(self) -> None:
        """Forget them."""
        self.drain()


def _read(file: IO[bytes]) -> Iterator[tuple[Prompt, int]]:
    with file:
        file.seek(0)
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return
