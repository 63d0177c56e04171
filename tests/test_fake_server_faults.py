"""The fake server's rarer faults, its own routes, TLS, and answers of a chosen size."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.error
import urllib.request

import pytest
from plain_client import chat, send

from orca_core.testing import Answer, FakeOpenAI, Fault, Request, Response, faults
from orca_core.testing.tls import self_signed


def test_an_answer_has_the_size_and_the_usage_it_is_given():
    with FakeOpenAI(lambda messages: Answer("word " * 1000, prompt_tokens=77, completion_tokens=1234)) as server:
        reply = chat(server)
    assert len(reply["choices"][0]["message"]["content"]) == 5000
    assert reply["usage"] == {"prompt_tokens": 77, "completion_tokens": 1234, "total_tokens": 1311}


def test_a_prompt_that_contains_a_text_always_meets_its_fault():
    with FakeOpenAI(script=[None, faults.http_error(500)], when={"poison": faults.context_length()}) as server:
        for text in ("a poison", "another poison"):
            with pytest.raises(urllib.error.HTTPError) as error:
                chat(server, text)
            told = json.load(error.value)["error"]
            assert (error.value.code, told["code"]) == (400, "context_length_exceeded")
            assert "maximum context length" in told["message"]
        assert chat(server, "good")
        assert server.billed == 1


def test_a_body_can_be_no_utf8_or_ten_megabytes():
    with FakeOpenAI(script=[faults.not_utf8(), faults.huge()]) as server:
        with send(server.url) as response, pytest.raises(UnicodeDecodeError):
            response.read().decode()
        with send(server.url) as response:
            data = response.read()
        assert 10_000_000 < len(data) < 10_001_000
        assert len(json.loads(data)["choices"][0]["message"]["content"]) > 9_990_000
        assert server.billed == 2


def test_an_answer_can_stop_coming_half_way():
    with FakeOpenAI(script=[faults.stalled()]) as server:
        with send(server.url, timeout=1) as response, pytest.raises(TimeoutError):
            response.read()
        assert (server.billed, server.hung) == (1, 1)


def test_it_counts_what_is_billed_by_prompt_and_what_is_refused_or_hung():
    script = [None, None, faults.rate_limited(), faults.hung(), faults.dropped(0.5)]
    with FakeOpenAI(script=script) as server:
        for text, error in (
            ("a", None),
            ("b", None),
            ("a", urllib.error.HTTPError),
            ("a", TimeoutError),
            ("a", Exception),
        ):
            if error is None:
                chat(server, text)
            else:
                with pytest.raises(error):
                    chat(server, text, timeout=0.5 if error is TimeoutError else 20)
        assert dict(server.billed_prompts) == {"a": 2, "b": 1}
        assert (server.asked, server.billed, server.refused, server.hung) == (5, 3, 1, 1)
        server.reset()
        assert (server.asked, server.billed, server.refused, server.hung, server.requests) == (0, 0, 0, 0, [])


def test_routes_of_your_own_are_remembered_and_want_the_key_below_v1():
    async def things(request: Request) -> Response:
        return Response(f"{request.method} {request.path} {request.query} {request.data!r}".encode(), type="text/plain")

    with FakeOpenAI(key="k") as server:
        server.routes["POST", "/v1/things/"] = server.routes["GET", "/open"] = things
        root = server.url.removesuffix("/v1")
        request = urllib.request.Request(f"{server.url}/things/7?x=1", b"\xffdata", {"Authorization": "Bearer k"})
        assert urllib.request.urlopen(request).read() == b"POST /v1/things/7 x=1 b'\\xffdata'"
        assert urllib.request.urlopen(f"{root}/open").read().startswith(b"GET /open")
        for path, status in (("/v1/things/7", 401), ("/nothing", 404)):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(root + path, b"")
            assert error.value.code == status
        assert [r.path for r in server.requests] == ["/v1/things/7"] * 2


def test_without_a_memory_requests_are_counted_but_not_kept():
    with FakeOpenAI(remember=False) as server:
        chat(server)
        assert (server.requests, server.asked) == ([], 1)


def test_it_speaks_tls_to_those_who_trust_it(tmp_path):
    certificate = self_signed(tmp_path)
    assert certificate.stat().st_mode & 0o777 == 0o600
    with FakeOpenAI(tls=certificate) as server:
        assert chat(server, tls=ssl.create_default_context(cafile=certificate))
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            chat(server)
        assert server.billed == 1


def test_a_request_in_pieces_and_two_at_once_are_both_understood():
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "ü"}]}).encode()
    raw = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with FakeOpenAI() as server, socket.create_connection(("127.0.0.1", int(server.url.split(":")[2][:-3]))) as client:
        for cut in (1, 30, 60, len(raw)):
            client.sendall(raw[:cut])
            client.sendall(raw[cut:] + raw)
            received = b""
            while received.count(b"HTTP/1.1 200 OK") < 2 or not received.endswith(b"}}"):
                received += client.recv(65536)
        assert server.billed == 8


def test_what_is_no_chat_request_is_refused_in_openai_s_words():
    with FakeOpenAI() as server:
        for body in (b"", b"{", b'{"model": "m"}', b'{"model": "m", "messages": []}', b"[1]"):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(f"{server.url}/chat/completions", body)
            assert error.value.code == 400
            assert "messages" in json.load(error.value)["error"]["message"]
        assert server.met == {}


def test_a_fault_is_billed_if_an_answer_was_worked_out():
    billed = [
        faults.dropped(0.5),
        faults.stalled(),
        faults.not_utf8(),
        faults.huge(),
        faults.finished("length"),
        Fault(),
    ]
    free = [faults.dropped(0), faults.hung(), faults.http_error(500), faults.rate_limited(), faults.context_length()]
    assert [fault.billed for fault in billed + free] == [True] * len(billed) + [False] * len(free)
