"""The fake batch API, driven by a plain HTTP client: other tests are only as good as it is."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from orca_core.testing import BatchAPI, FakeOpenAI, Fate


def call(server: FakeOpenAI, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}/{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        content = response.read()
    return json.loads(content) if response.headers["Content-Type"] == "application/json" else content


def line(name: str, text: str = "hi") -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return json.dumps({"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}).encode()


def upload(server: FakeOpenAI, *lines: bytes) -> str:
    parts = (("purpose", b"batch"), ("file", b"\n".join(lines) + b"\n"))
    data = b"".join(
        b'--xyz\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n%b\r\n' % (name.encode(), value)
        for name, value in parts
    )
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    request = urllib.request.Request(f"{server.url}/files", data + b"--xyz--\r\n", headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return str(json.load(response)["id"])


def create(server: FakeOpenAI, file: str) -> dict[str, Any]:
    body = {
        "input_file_id": file,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
    }
    return dict(call(server, "POST", "batches", body))


def results(server: FakeOpenAI, file: str) -> dict[str, Any]:
    rows = [json.loads(row) for row in call(server, "GET", f"files/{file}/content").splitlines()]
    return {row["custom_id"]: row for row in rows}


def test_a_batch_is_uploaded_created_worked_on_and_downloaded():
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=3600)])
        batch = create(server, file := upload(server, line("a"), line("b", "how are you")))
        assert (batch["status"], batch["input_file_id"], batch["metadata"]) == ("validating", file, {"a": "b"})
        assert call(server, "GET", f"batches/{batch['id']}")["status"] == "in_progress"
        assert api.billed == {}
        api.finish()
        ended = call(server, "GET", f"batches/{batch['id']}")
        rows = results(server, ended["output_file_id"])
    assert (ended["status"], ended["error_file_id"]) == ("completed", None)
    assert ended["request_counts"] == {"total": 2, "completed": 2, "failed": 0}
    body = rows["b"]["response"]["body"]
    assert body["choices"][0]["message"]["content"] == "You said: how are you"
    assert body["usage"]["prompt_tokens"] == 3
    assert api.billed == {"a": 1, "b": 1}


def test_requests_that_fail_are_in_the_error_file_and_not_billed():
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(errors={1: 500})])
        batch = create(server, upload(server, line("a"), line("b"), line("c")))
        ended = call(server, "GET", f"batches/{batch['id']}")
        good, bad = (results(server, ended[f"{kind}_file_id"]) for kind in ("output", "error"))
    assert (set(good), set(bad)) == ({"a", "c"}, {"b"})
    assert bad["b"]["response"]["status_code"] == 500
    assert set(api.billed) == {"a", "c"}


def test_an_expired_batch_keeps_what_was_done():
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(expires_after=1)])
        batch = create(server, upload(server, line("a"), line("b")))
        ended = call(server, "GET", f"batches/{batch['id']}")
        assert ended["status"] == "expired"
        assert set(results(server, ended["output_file_id"])) == {"a"} == set(api.billed)
        assert results(server, ended["error_file_id"])["b"]["error"]["code"] == "batch_expired"


def test_a_cancelled_batch_keeps_what_was_done():
    with FakeOpenAI() as server:
        BatchAPI(server, [Fate(seconds=3600)])
        batch = create(server, upload(server, line("a")))
        assert call(server, "POST", f"batches/{batch['id']}/cancel")["status"] == "cancelling"
        assert call(server, "GET", f"batches/{batch['id']}")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line("a"), line("a")], "duplicate_custom_id"),
        ([b"{broken"], "invalid_json_line"),
        ([line("a"), line("b"), line("c")], "too_many_requests"),
    ],
)
def test_an_invalid_file_fails_as_a_whole(lines, code):
    with FakeOpenAI() as server:
        api = BatchAPI(server, max_requests=2)
        batch = create(server, upload(server, *lines))
        assert (batch["status"], batch["errors"]["data"][0]["code"]) == ("failed", code)
        assert api.billed == {}


def test_a_file_may_hold_fifty_thousand_requests_and_no_more():
    with FakeOpenAI() as server:
        BatchAPI(server, [Fate(seconds=60)] * 2)
        lines = [b'{"custom_id":"%d","method":"POST","url":"u","body":{}}' % number for number in range(50_001)]
        assert create(server, upload(server, *lines[1:]))["status"] == "validating"
        assert create(server, upload(server, *lines))["status"] == "failed"


@pytest.mark.parametrize("refuses", [False, True])
def test_too_much_enqueued_fails_or_refuses_a_batch(refuses):
    with FakeOpenAI() as server:
        api = BatchAPI(server, [Fate(seconds=60)], enqueued=3, refuses=refuses)
        file = upload(server, line("a"), line("b"))
        create(server, file)
        if refuses:
            with pytest.raises(urllib.error.HTTPError) as error:
                create(server, file)
            assert error.value.code == 429
            assert len(api.batches) == 1
        else:
            second = create(server, file)
            assert (second["status"], second["errors"]["data"][0]["code"]) == ("failed", "token_limit_exceeded")
        assert api.full == 1


def test_batches_are_listed_in_pages_the_newest_first():
    with FakeOpenAI() as server:
        BatchAPI(server)
        file = upload(server, line("a"))
        made = [create(server, file)["id"] for _ in range(5)]
        first = call(server, "GET", "batches?limit=3")
        rest = call(server, "GET", f"batches?limit=3&after={first['last_id']}")
    assert [batch["id"] for batch in first["data"] + rest["data"]] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_a_gate_holds_a_step_before_or_after_it_is_done():
    with FakeOpenAI() as server:
        api = BatchAPI(server)
        file = upload(server, line("a"))
        for step, made in (("before create", 0), ("after create", 1)):
            with api.gate(step) as gate:
                thread = threading.Thread(target=_quietly, args=(server, file))
                thread.start()
                assert gate.reached.wait(5)
                assert len(api.batches) == made
            thread.join(5)
        assert len(api.batches) == 1, "what was held before it was done is not done afterwards"


def _quietly(server: FakeOpenAI, file: str) -> None:
    with contextlib.suppress(urllib.error.HTTPError):
        create(server, file)


def test_what_is_not_there_is_not_found():
    with FakeOpenAI() as server:
        BatchAPI(server)
        for path in ("batches/none", "files/none/content", "files/none/other/thing"):
            with pytest.raises(urllib.error.HTTPError) as error:
                call(server, "GET", path)
            assert error.value.code == 404
