"""The batch API of a fake OpenAI-compatible server: files, batches, and what can become of them.

It speaks ``/v1/files`` and ``/v1/batches`` as OpenAI does: upload, create, list, poll, cancel, download. A batch is worked on
by the clock: whoever asks after it sees how far it is by now. ``billed`` counts, by custom id, what a provider would
have charged for::

    with FakeOpenAI() as server:
        batches = BatchAPI(server, [Fate(expires_after=3), Fate(seconds=0.5)])
        ...
    assert max(batches.billed.values()) == 1, "no request was paid for twice"
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from orca_core.testing.batch_rows import ENDED, ENQUEUED, Batch, Fate, outcome, read_form, read_row
from orca_core.testing.fake import GOOD, AnswerFn, FakeOpenAI, echo, prompt_text, refusal
from orca_core.testing.faults import Answer, completion, error_body
from orca_core.testing.http import Request, Response


@dataclass
class Gate:
    """A step at which requests are held."""

    reached: threading.Event = field(default_factory=threading.Event)
    """Set when a request is held here."""
    opened: threading.Event = field(default_factory=threading.Event)


class BatchAPI:
    """The batch endpoints of a server, from now on.

    Args:
        server: gets their routes.
        fates: what becomes of the first batches, in the order of their creation; later ones end well and at once.
        answer: as of the server.
        enqueued: most requests in batches that have not ended; a batch beyond fails with ``token_limit_exceeded``.
        refuses: such a batch is not even created (429), as some providers do.
        max_requests: of one batch.
    """

    def __init__(
        self,
        server: FakeOpenAI,
        fates: Sequence[Fate] = (),
        *,
        answer: AnswerFn = echo,
        enqueued: int | None = None,
        refuses: bool = False,
        max_requests: int = 50_000,
    ) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.billed: Counter[str] = Counter()
        """Answers that were worked out, by custom id."""
        self.full = 0
        """Batches that met the limit on what is enqueued."""
        self._fates, self._answer = list(fates), answer
        self._enqueued, self._refuses, self._max = enqueued, refuses, max_requests
        self._gates: dict[str, Gate] = {}
        for method in ("GET", "POST"):
            for path in ("/v1/files", "/v1/files/", "/v1/batches", "/v1/batches/"):
                server.routes[method, path] = self._handle

    @contextmanager
    def gate(self, step: str) -> Iterator[Gate]:
        """Hold requests at a step until the block ends: ``upload``, ``create``, ``list``, ``poll`` or ``content``, with
        ``before`` (nothing is done, and refused with 503 in the end) or ``after`` (done, the reply held back) in
        front: ``"after create"``."""
        gate = self._gates[step] = Gate()
        try:
            yield gate
        finally:
            del self._gates[step]
            gate.opened.set()

    def finish(self, *names: str) -> None:
        """Let batches (by id; none: all that there are) end now."""
        for name in names or list(self.batches):
            self.batches[name].fate = replace(self.batches[name].fate, seconds=0.0)

    async def _handle(self, request: Request) -> Response:
        parts = request.path.removeprefix("/v1/").split("/")
        step = _step(request.method, parts)
        if await self._held(f"before {step}"):
            return refusal(503, "unavailable", "The server is going down")
        for batch in self.batches.values():
            self._advance(batch)
        try:
            response = self._do(step, parts, request)
        except KeyError as error:
            response = refusal(404, "not_found", f"no such thing: {error.args[0]}")
        await self._held(f"after {step}")
        return response

    async def _held(self, step: str) -> bool:
        if (gate := self._gates.get(step)) is None:
            return False
        gate.reached.set()
        while not gate.opened.is_set():
            await asyncio.sleep(0.01)
        return True

    def _do(self, step: str, parts: Sequence[str], request: Request) -> Response:
        match step:
            case "upload":
                return self._upload(request)
            case "content":
                return Response(self.files[parts[1]], type="application/octet-stream")
            case "create":
                return self._create(request.body)
            case "list":
                return self._list(dict(pair.split("=", 1) for pair in request.query.split("&") if pair))
            case "poll":
                return json_response(self.batches[parts[1]].shown)
            case "cancel":
                return self._cancel(self.batches[parts[1]])
        raise KeyError(request.path)

    def _upload(self, request: Request) -> Response:
        form = read_form(request.headers["content-type"], request.data)
        name = self._file(form["file"])
        return json_response(
            {"id": name, "object": "file", "bytes": len(form["file"]), "created_at": int(time.time()),
             "filename": f"{name}.jsonl", "purpose": form["purpose"].decode(), "status": "processed"}
        )  # fmt: skip

    def _file(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    def _create(self, body: Mapping[str, Any]) -> Response:
        rows = [read_row(line) for line in self.files[body["input_file_id"]].splitlines()]
        busy = sum(len(batch.rows) for batch in self.batches.values() if batch.status not in ENDED)
        full = self._enqueued is not None and busy + len(rows) > self._enqueued
        self.full += full
        if full and self._refuses:
            return refusal(429, ENQUEUED, "Enqueued token limit reached")
        number = len(self.batches)
        batch = Batch(f"batch-{number}", body["input_file_id"], body.get("metadata") or {}, rows, time.time())
        if full:
            batch.problem = (ENQUEUED, f"Enqueued token limit reached. Limit: {self._enqueued} requests")
        else:
            batch.fate = self._fates.pop(0) if self._fates else Fate()
            batch.problem = batch.fate.failure or self._invalid(rows)
        batch.status = "failed" if batch.problem else "validating"
        self.batches[batch.id] = batch
        return json_response(batch.shown)

    def _invalid(self, rows: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
        names = [row.get("custom_id") for row in rows]
        if not names:
            return "empty_file", "The input file has no requests"
        if len(names) > self._max:
            return "too_many_requests", f"The file has {len(names)} requests, more than {self._max}"
        if None in names:
            return "invalid_json_line", f"Line {names.index(None) + 1} is no request"
        return None if len(set(names)) == len(names) else ("duplicate_custom_id", "A custom_id is used twice")

    def _list(self, query: Mapping[str, str]) -> Response:
        newest = list(reversed(self.batches.values()))
        first = [batch.id for batch in newest].index(query["after"]) + 1 if "after" in query else 0
        page = newest[first : first + int(query.get("limit", 20))]
        ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {}
        more = first + len(page) < len(newest)
        return json_response({"object": "list", "data": [batch.shown for batch in page], "has_more": more, **ends})

    def _cancel(self, batch: Batch) -> Response:
        if batch.status not in ENDED:
            batch.fate = Fate(expires_after=batch.counts["completed"])
            batch.status = "cancelling"
        return json_response(batch.shown)

    def _advance(self, batch: Batch) -> None:
        """Bring a batch to where it is by now."""
        if batch.status in ENDED:
            return
        passed = time.time() - batch.at
        n = len(batch.rows) if batch.fate.expires_after is None else batch.fate.expires_after
        if passed >= batch.fate.seconds:
            self._end(batch, n)
        elif batch.status != "cancelling":
            batch.status = "in_progress"
            done = int(n * passed / batch.fate.seconds)
            batch.counts = {"total": len(batch.rows), "completed": done, "failed": 0}

    def _end(self, batch: Batch, n: int) -> None:
        good, bad = [], []
        for number, row in enumerate(batch.rows):
            status = batch.fate.errors.get(number, 200)
            if number >= n:
                bad.append(outcome(row, None))
            elif status != 200:
                bad.append(outcome(row, (status, json.loads(error_body(status, f"error_{status}", "fake error")))))
            else:
                self.billed[row["custom_id"]] += 1
                good.append(outcome(row, (200, self._complete(row["body"]))))
        cut = "cancelled" if batch.status == "cancelling" else "expired"
        batch.status = cut if n < len(batch.rows) else "completed"
        batch.counts = {"total": len(batch.rows), "completed": len(good), "failed": len(bad)}
        for kind, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:  # in another order than the requests: nobody promises one
                batch.files[kind] = self._file(b"".join(reversed(rows)))

    def _complete(self, body: Mapping[str, Any]) -> Any:
        answer = self._answer(body["messages"])
        answer = answer if isinstance(answer, Answer) else Answer(answer)
        number, prompt = self.billed.total(), prompt_text(body["messages"])
        return completion(GOOD, number=number, model=body["model"], answer=answer, prompt=prompt)


def json_response(value: Mapping[str, Any]) -> Response:
    """An object, as JSON."""
    return Response(json.dumps(value).encode())


def _step(method: str, parts: Sequence[str]) -> str:
    shape = (method, parts[0], len(parts), parts[2] if len(parts) > 2 else "")
    return {
        ("POST", "files", 1, ""): "upload",
        ("GET", "files", 3, "content"): "content",
        ("POST", "batches", 1, ""): "create",
        ("GET", "batches", 1, ""): "list",
        ("GET", "batches", 2, ""): "poll",
        ("POST", "batches", 3, "cancel"): "cancel",
    }.get(shape, "unknown")
