"""How requests leave: our own connections, proxies, keys, and litellm only where it must be."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from orca_litellm import facts
from orca_litellm.endpoints.wire import PlainSender, Session, proxy_for
from orca_litellm.facts import get_facts
from orca_litellm.failures import Kind, by_status, kind_of
from orca_litellm.replies import read_completion

from orca_core.testing import FakeOpenAI, faults
from orca_core.testing.tls import self_signed

FAST = """
import sys, time
from pathlib import Path
import orca_litellm
from orca_core import Prompt, Query
from orca_core.testing import build, make_context

teacher = build(orca_litellm.LITELLM, make_context(Path(sys.argv[2])), model="openai/fake", api_base=sys.argv[1])
traces = list(teacher.respond(Prompt(Query(f"question {i}", task="t")) for i in range(50)))
print(len(traces), "litellm" in sys.modules, "openai" in sys.modules)
"""


def test_the_child_is_asked_once_and_litellm_stays_out_of_the_process(tmp_path):
    with FakeOpenAI() as server:
        for _ in range(2):
            command = [sys.executable, "-c", FAST, server.url, str(tmp_path)]
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (told.stdout.split(), told.stderr) == (["50", "False", "False"], "")
        assert len(server.chats) == 50
    (kept,) = (tmp_path / "litellm-facts").iterdir()
    assert json.loads(kept.read_text())["provider"] == "openai"


def test_what_litellm_knows_is_read_from_the_cache(tmp_path, monkeypatch):
    first = get_facts("openai/gpt-5", {"max_tokens": 7}, None, tmp_path)
    assert first.parameters == {"max_completion_tokens": 7}, "newer models call it so"
    assert first.plain
    monkeypatch.setattr(facts, "_ask_child", lambda question: pytest.fail("asked again"))
    assert get_facts("openai/gpt-5", {"max_tokens": 7}, None, tmp_path) == first


def test_a_model_whose_messages_litellm_rewrites_goes_litellms_way(tmp_path):
    assert get_facts("openai/o3", {}, None, tmp_path).plain is False
    assert get_facts("anthropic/claude-opus-4-5", {}, None, tmp_path).key_variables == ("ANTHROPIC_API_KEY",)


def send(url: str, **config: Any) -> Any:
    async def once() -> Any:
        session = Session()
        try:
            values = {
                "endpoint": "e",
                "key": None,
                "body": {"model": "fake"},
                "timeout": 5.0,
                "cost": lambda p, c: None,
            }
            return await PlainSender(session, **values | {"api_base": url, **config}).send(
                [{"role": "user", "content": "é"}]
            )
        finally:
            await session.close()

    return asyncio.run(once())


def test_a_private_authority_is_trusted_by_ssl_cert_file(tmp_path, monkeypatch):
    from orca_litellm.endpoints.wire import _certificates

    pem = self_signed(tmp_path)
    with FakeOpenAI(tls=pem) as server:
        assert send(server.url).kind is Kind.TLS
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        _certificates.cache_clear()
        try:
            assert send(server.url).reply["text"] == "You said: é"
        finally:
            _certificates.cache_clear()


def test_a_connection_that_cannot_be_made_was_not_billed():
    for url in ("http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1"):
        failure = send(url)
        assert (failure.kind, failure.maybe_billed) == (Kind.DOWN, False)


def test_a_host_that_does_not_take_the_connection_was_sent_nothing():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        full = [socket.socket() for _ in range(4)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        failure = send(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", timeout=0.6)
        for one in full:
            one.close()
    assert (failure.kind, failure.maybe_billed) == (Kind.DOWN, False)


@pytest.mark.parametrize(
    "fault", [faults.hung(), faults.stalled(), faults.dripping(), faults.dropped(0.5), faults.not_utf8(), faults.huge()]
)
def test_what_left_and_brought_no_readable_reply_may_be_billed(fault):
    with FakeOpenAI(script=[fault]) as server:
        failure = send(server.url, timeout=1.0)
    assert (failure.kind, failure.maybe_billed) == (Kind.AGAIN, True)


def test_a_proxy_of_the_environment_is_used_and_excepted(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_for("https://api.openai.com/v1") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,.local")
    assert proxy_for("https://api.openai.com/v1") == "http://proxy:3128"
    assert proxy_for("http://localhost:8000/v1") is None
    assert proxy_for("https://gpu.local/v1") is None


def test_a_netrc_of_the_user_adds_nothing(tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with FakeOpenAI() as server:
        send(server.url)
        assert "authorization" not in server.chats[0].headers


def completion(**choice: Any) -> dict[str, Any]:
    return {"id": "1", "model": "m", "choices": [{"index": 0, **choice}]}


def read(data: Any) -> Any:
    return read_completion(data, endpoint="e", model="m", latency=1.0, cost=lambda p, c: None)


def test_a_refusal_is_a_filtered_answer():
    reply = read(completion(message={"content": None, "refusal": "I cannot."}, finish_reason="stop"))
    assert (reply["text"], reply["finish_reason"]) == ("I cannot.", "content_filter")


def test_half_a_character_is_replaced():
    reply = read(completion(message=json.loads(r'{"content": "a \ud83d b"}'), finish_reason="stop"))
    assert reply["text"].encode().decode() == "a \ufffd b"


@pytest.mark.parametrize("data", [None, [], "text", {}, {"choices": {}}, {"choices": [None]}, completion(message="text"),
                                  completion(message={"content": [1]})])  # fmt: skip
def test_anything_else_is_no_completion(data):
    with pytest.raises(ValueError, match=r"reply"):
        read(data)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, "insufficient_quota", Kind.CREDIT),
        (429, "slow down", Kind.RATE),
        (400, "content_policy_violation", Kind.FILTERED),
        (403, "your input was flagged", Kind.FILTERED),
        (403, "forbidden", Kind.KEY),
        (500, "context window", Kind.AGAIN),
        (503, "insufficient_quota", Kind.AGAIN),
        (413, "", Kind.LENGTH),
        (None, "", Kind.AGAIN),
    ],
)
def test_status_and_message_decide_together(status, body, kind):
    assert kind_of(status, body) is kind


def test_the_message_in_an_error_body_is_told_without_its_wrapping():
    body = json.dumps({"error": {"message": "no\nsuch   thing", "code": 3}})
    assert by_status(500, body, {}).text == "HTTP 500: no such thing"
    assert by_status(500, "<html>", {}).text == "HTTP 500: <html>"
    assert by_status(500, "[3]", {}).text == "HTTP 500: [3]"
    assert by_status(500, '{"error": "flat"}', {}).text == "HTTP 500: flat"


def test_the_key_is_in_no_file(tmp_path: Path, make_teacher, prompts, key):
    with FakeOpenAI(key=key) as server:
        list(make_teacher(server, api_key_env="MY_KEY").respond(prompts(3)))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert all(key.encode() not in path.read_bytes() for path in files)
    assert all(path.stat().st_mode & 0o077 == 0 for path in files if "responses" in path.name)
