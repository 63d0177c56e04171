"""A plain HTTP client for the fake server: one request, the standard library alone."""

from __future__ import annotations

import json
import ssl
import urllib.request
from typing import Any

from orca_core.testing import FakeOpenAI


def send(
    url: str, text: str = "hello", *, key: str = "k", timeout: float = 5, tls: ssl.SSLContext | None = None, **body: Any
) -> Any:
    """Send one chat request; the open response."""
    data = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **body}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/chat/completions", data, headers)
    return urllib.request.urlopen(request, timeout=timeout, context=tls)


def chat(server: FakeOpenAI, text: str = "hello", **options: Any) -> Any:
    """Send one chat request and read the reply's JSON."""
    with send(server.url, text, **options) as response:
        return json.load(response)
