"""Whether anybody still answers: the difference between prompts that fail and an endpoint that is gone."""

from __future__ import annotations

import time
from typing import Final

from orca_litellm import failures

IN_A_ROW: Final = 20
"""So many prompts that failed, one after the other and without a reply in between, are no accident of theirs."""


class Pulse:
    """Counts what happened since the last sign of life.

    Args:
        retries: how patient one prompt is; the run is as patient before it holds all of them against the endpoint.
    """

    def __init__(self, retries: int) -> None:
        self._attempts = retries + 1
        self._patience = sum(
            min(failures.LONGEST_WAIT_S, failures.FIRST_WAIT_S * 2.0**number) for number in range(retries)
        )
        self._died = self._failed = 0
        self._failing: set[bytes] = set()
        self._since = 0.0

    def replied(self) -> None:
        """A wanted reply came."""
        self._died = 0
        self.alive()

    def alive(self) -> None:
        """It refuses, but it is there."""
        if self._failed:
            self._failed = 0
            self._failing.clear()

    def died(self) -> int:
        """A prompt was given up; the number in a row if they are too many, else 0."""
        self._died += 1
        return self._died if self._died >= IN_A_ROW else 0

    def failed(self, key: bytes, *, down: bool) -> int:
        """An attempt failed; the number in a row if they say that the endpoint is gone, else 0.

        Args:
            key: the request's; a few that no server survives are no proof.
            down: no connection could be made, which is no prompt's fault.
        """
        now = time.monotonic()
        if self._failed == 0:
            self._since = now
        self._failed += 1
        self._failing.add(key)
        enough = self._failed >= self._attempts if down else len(self._failing) >= IN_A_ROW
        return self._failed if enough and now - self._since >= self._patience else 0
