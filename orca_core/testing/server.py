"""A fake OpenAI-compatible server on the loopback interface: real HTTP, scripted answers, scripted or random faults.

It speaks ``POST /v1/chat/completions`` and ``GET /v1/models``, keeps every request in memory, counts what a provider would
have billed and how many requests were in progress at once. Not a model, and no streaming. Standard library only::

    with FakeOpenAI(script=[faults.rate_limited(0.2)], latency=0.05) as server:
        client(base_url=server.url)
    assert server.billed == 1 and len(server.requests) == 2
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from orca_core.testing.faults import Fault, completion_body, error_body

Message = Mapping[str, Any]
AnswerFn = Callable[[Sequence[Message]], str]
GOOD: Final = Fault()


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The parsed JSON, None if there was none."""
    at: float
    """Monotonic seconds at which it was complete."""


def echo(messages: Sequence[Message]) -> str:
    """Repeats the last message: an answer that tells which question it belongs to."""
    return f"You said: {messages[-1]['content']}"


class FakeOpenAI:
    """The server, running in a thread of its own between ``__enter__`` and ``__exit__``.

    Args:
        answer: makes the text out of the request's messages.
        script: faults of the first requests in the order of their arrival (None: a good reply).
        rates: after the script, each fault with its probability, drawn from ``seed``.
        latency: seconds that a reply takes.
        key: the only accepted bearer token; None accepts all. The refusal quotes the key it got, as careless servers do.
        models: the only known models; empty: any.
    """

    def __init__(
        self,
        answer: AnswerFn = echo,
        *,
        script: Sequence[Fault | None] = (),
        rates: Mapping[Fault, float] | None = None,
        latency: float = 0.0,
        key: str | None = None,
        models: Collection[str] = (),
        seed: int = 0,
    ) -> None:
        self.requests: list[Request] = []
        self.met: Counter[Fault] = Counter()
        """How many chat requests met with which fault; a good reply is ``Fault()``."""
        self.billed = 0
        """Answers that were worked out, whatever became of them on the way."""
        self.in_progress = 0
        self.peak = 0
        """Most requests that were in progress at once."""
        self._answer, self._script, self._rates = answer, tuple(script), dict(rates or {})
        self._latency, self._key, self._models = latency, key, tuple(models)
        self._random = random.Random(seed)
        self._chats = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-openai", daemon=True)

    @property
    def url(self) -> str:
        """The ``api_base`` to give to a client."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def chats(self) -> list[Request]:
        """The chat requests alone."""
        return [request for request in self.requests if request.path.endswith("/chat/completions")]

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive over any number of requests until either side ends it."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request, send its reply; False: the connection is to be closed."""
        request = await read_request(reader)
        self.requests.append(request)
        self.in_progress += 1
        self.peak = max(self.peak, self.in_progress)
        try:
            fault, payload = await self._reply(request)
        finally:
            self.in_progress -= 1
        data = http_response(fault, payload)
        if fault.drop_at is not None:
            data = data[: int(len(data) * fault.drop_at)]
        for part in (bytes([byte]) for byte in data) if fault.drip else (data,):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(fault.drip)
        return fault.drop_at is None

    async def _reply(self, request: Request) -> tuple[Fault, bytes]:
        """What becomes of a request: its fault and the reply's body."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key is not None and token != self._key:
            fault = Fault(status=401, error="invalid_api_key")
            return fault, error_body(401, fault.error, f"Incorrect API key provided: {token}.")
        if (request.method, request.path) == ("GET", "/v1/models"):
            listed = [{"id": name, "object": "model"} for name in self._models]
            return GOOD, json.dumps({"object": "list", "data": listed}).encode()
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            return Fault(status=404), error_body(404, "not_found", f"no such path: {request.path}")
        return await self._chat(request.body)

    async def _chat(self, body: Any) -> tuple[Fault, bytes]:
        if not isinstance(body, dict) or not body.get("messages"):
            return Fault(status=400), error_body(400, "invalid_request", "'messages' is a required property")
        if self._models and body.get("model") not in self._models:
            message = f"The model `{body.get('model')}` does not exist"
            return Fault(status=404), error_body(404, "model_not_found", message)
        number, self._chats = self._chats, self._chats + 1
        fault = self._fault(number)
        self.met[fault] += 1
        await asyncio.sleep(self._latency)
        if fault.hang:
            await asyncio.Event().wait()
        self.billed += fault.billed
        if fault.status != 200:
            return fault, error_body(fault.status, fault.error, f"fake error {fault.status} ({fault.error})")
        if fault.body is not None:
            return fault, fault.body
        words = sum(len(str(message.get("content")).split()) for message in body["messages"])
        text = self._answer(body["messages"])
        return fault, completion_body(fault, number=number, model=str(body["model"]), text=text, prompt_words=words)

    def _fault(self, number: int) -> Fault:
        if number < len(self._script):
            return self._script[number] or GOOD
        drawn = self._random.random()
        for fault, share in self._rates.items():
            if drawn < share:
                return fault
            drawn -= share
        return GOOD


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one HTTP/1.1 request with a ``Content-Length`` body.

    Raises:
        asyncio.IncompleteReadError: the client closed the connection.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    data = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, json.loads(data) if data else None, time.monotonic())


def http_response(fault: Fault, payload: bytes) -> bytes:
    """A whole HTTP/1.1 response."""
    headers = {"Content-Type": "application/json", "Content-Length": str(len(payload)), **fault.headers}
    lines = [f"HTTP/1.1 {fault.status} -", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + payload
