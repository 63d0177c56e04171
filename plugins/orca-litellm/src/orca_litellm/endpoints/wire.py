"""Our own transport for endpoints that take OpenAI's chat completions: one aiohttp session, one deadline, no retries.

A request costs 0.2 ms of CPU here and 4 through litellm. Redirects are not followed, and netrc is not read: a key goes to the
URL it is meant for and to no other. Proxies are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``).
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import yarl

from orca_litellm.failures import Failure, Kind, by_status, message_of
from orca_litellm.replies import Arrived, CostFn, Messages, read_completion

MOST_BYTES: Final = 8_000_000
"""A longer reply is a failure: the longest answers of today's models are far below a megabyte."""
MOST_OF_AN_ERROR: Final = 65_536
CONNECT_S: Final = 30.0
"""How long a connection may take to be made."""


class Session:
    """The connections of all plain endpoints of a teacher. Belongs to one event loop; close it there."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def open(self) -> aiohttp.ClientSession:
        """The session, opened on first use."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The system's authorities and, as some systems have none, those of certifi; ``SSL_CERT_FILE`` alone if it is set."""
    context = ssl.create_default_context()
    if "SSL_CERT_FILE" not in os.environ:
        import certifi

        context.load_verify_locations(certifi.where())
    return context


class TooLong(ValueError):  # noqa: N818
    """A body beyond what is accepted."""


class PlainSender:
    """One endpoint that takes POSTs of OpenAI's form.

    Args:
        endpoint: its name, for the replies.
        api_base: up to and without ``/chat/completions``.
        body: what goes with the messages: the model and the settings.
        timeout: seconds for a whole attempt.
    """

    def __init__(
        self,
        session: Session,
        *,
        endpoint: str,
        api_base: str,
        key: str | None,
        body: Mapping[str, Any],
        timeout: float,
        cost: CostFn,
    ) -> None:
        self._session, self._endpoint, self._timeout, self._cost = session, endpoint, timeout, cost
        # of half the time, so that what could not be sent is not taken for what was not answered
        self._limits = aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_S, timeout / 2))
        self._url = yarl.URL(f"{api_base}/chat/completions")
        self._tls = _certificates() if self._url.scheme == "https" else True
        self._proxy = proxy_for(api_base)
        self._model = str(body["model"])
        # the messages go between these two
        self._head = json.dumps({**body, "messages": []}).encode().removesuffix(b"[]}")
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "orca"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"

    async def send(self, messages: Messages) -> Arrived | Failure:
        """One attempt. Whatever becomes of it comes back as a value; only cancellation is raised."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(messages, start)
        except TimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                return Failure(Kind.DOWN, f"no connection within {self._limits.sock_connect:g} s")
            return Failure(Kind.AGAIN, f"no answer within {self._timeout:g} s", maybe_billed=True)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            return Failure(Kind.TLS, message_of(error))
        except aiohttp.ClientConnectorError as error:
            return Failure(Kind.DOWN, error.strerror or message_of(error))
        except (aiohttp.ClientError, OSError) as error:
            return Failure(Kind.AGAIN, f"the connection was lost: {message_of(error)}", maybe_billed=True)

    async def _exchange(self, messages: Messages, start: float) -> Arrived | Failure:
        data = b"%b%b}" % (self._head, json.dumps(messages).encode())
        async with self._session.open.post(
            self._url,
            data=data,
            headers=self._headers,
            proxy=self._proxy,
            ssl=self._tls,
            timeout=self._limits,
            allow_redirects=False,
        ) as response:
            try:
                if response.status != 200:
                    body = await _read(response, MOST_OF_AN_ERROR, cut=True)
                    return by_status(response.status, body.decode("utf-8", "replace"), response.headers)
                parsed = json.loads((await _read(response, MOST_BYTES)).decode())
                reply = read_completion(
                    parsed,
                    endpoint=self._endpoint,
                    model=self._model,
                    latency=time.monotonic() - start,
                    cost=self._cost,
                )
            except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, no completion, too long
                return Failure(Kind.AGAIN, f"unreadable reply: {message_of(error)}", maybe_billed=True)
            return Arrived(reply, response.headers)


async def _read(response: aiohttp.ClientResponse, most: int, *, cut: bool = False) -> bytes:
    """The body.

    Raises:
        TooLong: it is longer than ``most`` bytes and is not to be ``cut``. The connection is closed then.
    """
    parts, size = [], 0
    while part := await response.content.readany():
        parts.append(part)
        size += len(part)
        if size > most:
            response.close()
            if cut:
                break
            raise TooLong(f"longer than {most:,} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for a URL; None: none."""
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
