"""A fake OpenAI-compatible server on the loopback interface: real HTTP, scripted answers, scripted or random faults.

It speaks ``POST /v1/chat/completions`` and ``GET /v1/models``, counts what a provider would have billed and how many requests
were in progress at once, and keeps rate limits. Not a model, and no streaming. Standard library only::

    with FakeOpenAI(script=[faults.rate_limited(0.2)], latency=0.05) as server:
        client(base_url=server.url)
    assert server.billed == 1 and len(server.requests) == 2

``python -m orca_core.testing.server`` runs one in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from orca_core.records import content_id
from orca_core.testing.faults import Answer, Fault, completion, error_body
from orca_core.testing.http import Connection, Handler, Request, Response
from orca_core.testing.rates import RateLimit, token_estimate

Message = Mapping[str, Any]
AnswerFn = Callable[[Sequence[Message]], str | Answer]
GOOD: Final = Fault()


def echo(messages: Sequence[Message]) -> str:
    """Repeats the last message: an answer that tells which question it belongs to."""
    return f"You said: {messages[-1]['content']}"


class FakeOpenAI:
    """The server, running in a thread of its own between ``__enter__`` and ``__exit__``.

    Args:
        answer: makes the text out of the request's messages, or an :class:`Answer` with token counts of its own.
        script: faults of the first requests in the order of their arrival (None: a good reply).
        when: the fault of every prompt that contains a text.
        rates: after the script, each fault with its probability, drawn from ``seed``.
        limits: the account's rate limits; what they refuse meets no fault.
        latency: seconds that a reply takes.
        key: the only accepted bearer token; None accepts all. The refusal quotes the key it got, as careless servers do.
        models: the only known models; empty: any.
        tls: a PEM file with key and certificate: HTTPS (see :func:`orca_core.testing.tls.self_signed`).
        port: 0 for any free one.
        remember: whether requests are kept in ``requests``; without, a prompt costs some hundred bytes.
    """

    def __init__(
        self,
        answer: AnswerFn = echo,
        *,
        script: Sequence[Fault | None] = (),
        when: Mapping[str, Fault] | None = None,
        rates: Mapping[Fault, float] | None = None,
        limits: RateLimit | None = None,
        latency: float = 0.0,
        key: str | None = None,
        models: Collection[str] = (),
        seed: int = 0,
        tls: Path | None = None,
        port: int = 0,
        remember: bool = True,
    ) -> None:
        self.routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("GET", "/v1/models"): self._list_models,
        }
        """Who answers which method and path; one that ends in ``/`` stands for everything below it. Add your own;
        those below ``/v1/`` are remembered and want the key."""
        self._answer, self._script, self._when, self._rates = answer, tuple(script), dict(when or {}), dict(rates or {})
        self._limits = limits or RateLimit()
        self._latency, self._key, self._models = latency, key, tuple(models)
        self._random = random.Random(seed)
        self._tls, self._port, self._remember = tls, port, remember
        self.in_progress = 0
        self.reset()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-openai", daemon=True)
        self._connections: set[Connection] = set()

    def reset(self) -> None:
        """Begin all counts anew."""
        self.requests: list[Request] = []
        self.met: Counter[Fault] = Counter()
        """How many chat requests met with which fault; a good reply is ``Fault()``."""
        self.asked = 0
        """Chat requests."""
        self.billed = 0
        """Answers that were worked out, whatever became of them on the way."""
        self.billed_prompts: Counter[str] = Counter()
        """The same by the text of their prompt, its messages a line each (by a hash of it, if requests are not remembered)."""
        self.refused = 0
        """Replies with status 429."""
        self.hung = 0
        self.peak = 0
        """Most requests that were in progress at once."""

    @property
    def url(self) -> str:
        """The ``api_base`` to give to a client."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}/v1"

    @property
    def chats(self) -> list[Request]:
        """The chat requests alone."""
        return [request for request in self.requests if request.path.endswith("/chat/completions")]

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self._server, self._port = server, server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        secure = None
        if self._tls is not None:
            secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            secure.load_cert_chain(self._tls)
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: Connection(self._handle, self._connections), "127.0.0.1", self._port, backlog=4096, ssl=secure
        )

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for connection in list(self._connections) if (task := connection.close()) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, request: Request) -> Response:
        if not request.path.startswith("/v1/"):
            return await self._route(request)
        if self._remember:
            self.requests.append(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._key is not None and token != self._key:
            return refusal(401, "invalid_api_key", f"Incorrect API key provided: {token}.")
        self.in_progress += 1
        self.peak = max(self.peak, self.in_progress)
        try:
            return await self._route(request)
        finally:
            self.in_progress -= 1

    async def _route(self, request: Request) -> Response:
        handler = self.routes.get((request.method, request.path))
        if handler is None:
            below = (h for (m, path), h in self.routes.items() if m == request.method and _is_below(request.path, path))
            handler = next(below, None)
        if handler is None:
            return refusal(404, "not_found", f"no such path: {request.path}")
        return await handler(request)

    async def _list_models(self, request: Request) -> Response:
        listed = [{"id": name, "object": "model"} for name in self._models]
        return Response(json.dumps({"object": "list", "data": listed}).encode())

    async def _chat(self, request: Request) -> Response:
        body = request.body
        if not isinstance(body, dict) or not body.get("messages"):
            return refusal(400, "invalid_request", "'messages' is a required property")
        if self._models and body.get("model") not in self._models:
            return refusal(404, "model_not_found", f"The model `{body.get('model')}` does not exist")
        number, self.asked = self.asked, self.asked + 1
        tokens = token_estimate(body)
        if wait := self._limits.admit(tokens):
            self.refused += 1
            fault = Fault(status=429, error="rate_limit_exceeded", retry_after=wait)
            message = f"Rate limit reached. Please try again in {wait:.3f}s."
            return refusal(429, fault.error, message, {**self._limits.headers, **fault.headers})
        prompt = prompt_text(body["messages"])
        fault = self._fault(number, prompt)
        self.met[fault] += 1
        await asyncio.sleep(self._latency)
        return self._respond(fault, number, body, prompt, tokens)

    def _fault(self, number: int, prompt: str) -> Fault:
        for text, fault in self._when.items():
            if text in prompt:
                return fault
        if number < len(self._script):
            return self._script[number] or GOOD
        drawn = self._random.random() if self._rates else 1.0
        for fault, share in self._rates.items():
            if drawn < share:
                return fault
            drawn -= share
        return GOOD

    def _respond(self, fault: Fault, number: int, body: Mapping[str, Any], prompt: str, tokens: float) -> Response:
        """What becomes of an admitted chat request."""
        self.hung += fault.hang
        self.refused += fault.status == 429
        payload = fault.body or b""
        if fault.status != 200:
            message = fault.message or f"fake error {fault.status} ({fault.error})"
            payload = error_body(fault.status, fault.error, message)
        elif fault.billed:
            self.billed += 1
            self.billed_prompts[prompt if self._remember else content_id(prompt)] += 1
            reply, used = self.complete(body, fault, number)
            self._limits.settle(tokens, used)
            payload = json.dumps(reply).encode() if fault.body is None else fault.body
        cut_at = 0.0 if fault.hang and fault.drop_at is None else fault.drop_at
        headers = {**self._limits.headers, **fault.headers}
        closes = cut_at is not None and not fault.hang
        return Response(payload, fault.status, headers, cut_at=cut_at, closes=closes, drip=fault.drip)

    def complete(self, body: Mapping[str, Any], fault: Fault = GOOD, number: int = 0) -> tuple[dict[str, Any], int]:
        """The chat completion that answers a request's body, and the tokens that it used."""
        answer = self._answer(body["messages"])
        answer = answer if isinstance(answer, Answer) else Answer(answer)
        prompt = prompt_text(body["messages"])
        reply = completion(fault, number=number, model=str(body["model"]), answer=answer, prompt=prompt)
        usage = reply.get("usage") or answer.usage(prompt)
        return reply, usage["total_tokens"]


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as OpenAI writes it."""
    return Response(error_body(status, code, message), status, headers or {})


def prompt_text(messages: Sequence[Message]) -> str:
    """The texts of all messages, a line each: what a prompt is counted under."""
    return "\n".join([str(message.get("content")) for message in messages])


def _is_below(path: str, prefix: str) -> bool:
    return prefix.endswith("/") and path.startswith(prefix)
