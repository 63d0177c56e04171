"""Reads of single replies, gathered: one query in a thread for all that are wanted within a moment."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from orca_core.responses import ResponseLog

GATHER_S: Final = 0.01


class Reader:
    """Looks keys up in the log without blocking the loop or starting a thread for each."""

    def __init__(self, log: ResponseLog) -> None:
        self._log = log
        self._wanted: dict[bytes, asyncio.Future[dict[str, Any] | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: bytes) -> dict[str, Any] | None:
        """The reply to a request, None if there is none yet."""
        loop = asyncio.get_running_loop()
        future = self._wanted.setdefault(key, loop.create_future())
        if self._task is None:
            self._task = loop.create_task(self._read())
        return await asyncio.shield(future)

    async def _read(self) -> None:
        await asyncio.sleep(GATHER_S)
        wanted, self._wanted, self._task = self._wanted, {}, None
        try:
            found = await asyncio.to_thread(self._log.get_many, list(wanted))
        except BaseException as error:
            for future in wanted.values():
                future.set_exception(error)
            return
        for key, future in wanted.items():
            future.set_result(found.get(key))
