"""HTTP/1.1 for the fake server, from bytes to a request and back: quick, as the server may not be what a benchmark measures.

Bodies have a ``Content-Length``; nothing is chunked, compressed or pipelined out of order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

HEAD_END: Final = b"\r\n\r\n"
REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The parsed JSON, None if there was none."""
    at: float
    """Monotonic seconds at which it was complete."""
    data: bytes = b""
    """The body as it was sent."""
    query: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent back, and what goes wrong on the way."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str = "application/json"
    cut_at: float | None = None
    """Nothing is sent after this share of the response."""
    closes: bool = False
    """The connection is closed behind it."""
    drip: float = 0.0
    """Seconds between any two bytes."""

    def encode(self) -> bytes:
        """The response as it goes over the wire."""
        extra = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        head = (
            f"HTTP/1.1 {self.status} {REASONS.get(self.status, '-')}\r\nContent-Type: {self.type}\r\n"
            f"Content-Length: {len(self.body)}\r\n{extra}\r\n"
        )
        data = head.encode("latin-1") + self.body
        return data if self.cut_at is None else data[: int(len(data) * self.cut_at)]


Handler = Callable[[Request], Awaitable[Response]]


class Connection(asyncio.Protocol):
    """One connection, kept alive over any number of requests, one at a time, until either side ends it.

    A request is worked on to its end even if the client has gone, as providers do.
    """

    def __init__(self, handle: Handler, connections: set[Connection]) -> None:
        self._handle, self._connections = handle, connections
        self._received = bytearray()
        self._head: tuple[str, str, dict[str, str]] | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is None:
            self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._task is None:
            self._next()

    def close(self) -> asyncio.Task[None] | None:
        """Stop at once; returns what is still to be waited for."""
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def _next(self) -> None:
        """Begin on the next request if it is there in full."""
        received = self._received
        if self._head is None:
            end = received.find(HEAD_END)
            if end < 0:
                return
            self._head = parse_head(bytes(received[:end]))
            del received[: end + len(HEAD_END)]
        method, target, headers = self._head
        length = int(headers.get("content-length", 0))
        if len(received) < length:
            return
        data = bytes(received[:length])
        del received[:length]
        self._head = None
        path, _, query = target.partition("?")
        request = Request(method, path, headers, parse_json(data), time.monotonic(), data, query)
        self._task = self._loop.create_task(self._exchange(request))

    async def _exchange(self, request: Request) -> None:
        try:
            response = await self._handle(request)
        except Exception:  # a mistake in the test's own answer: the client is told, the traceback is shown
            self._transport.abort()
            raise
        data = response.encode()
        if response.drip:
            for byte in data:
                self._transport.write(bytes([byte]))
                await asyncio.sleep(response.drip)
        else:
            self._transport.write(data)
        self._task = None
        whole = response.cut_at is None
        if response.closes or (whole and request.headers.get("connection", "").lower() == "close"):
            self._transport.close()
        if self._transport.is_closing():
            self._connections.discard(self)
        elif whole:
            self._next()


def parse_head(data: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, target and headers of a request, the names in lower case."""
    first, *lines = data.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers


def parse_json(data: bytes) -> Any:
    """The JSON object or array of a body; None if it is something else."""
    if data[:1] not in (b"{", b"["):
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None
