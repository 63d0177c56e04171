"""The border to a provider's files and batches, through litellm.

Calls that can be repeated are repeated here, with waits, until they succeed or are refused. Creating a batch cannot: whether
it was created is told apart from whether it was refused, so that the caller looks before it creates another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from orca_core import UserError
from orca_litellm.batch.remote import FullError, RefusedError, RemoteBatch, UnsureError, is_full, read_batch
from orca_litellm.endpoints.via_litellm import classify
from orca_litellm.failures import PASSING, PATIENCE_S, Failure, Kind, backoff, retry_after

PROVIDERS: Final = ("openai", "hosted_vllm", "litellm_proxy")
"""Where litellm offers files, batches and their list in OpenAI's form."""
CHATS: Final = "/v1/chat/completions"
NAME: Final = "orca"
"""The metadata field that holds our name of a batch."""
PAGE: Final = 100
CLOCK_SKEW_S: Final = 3600.0
"""How far a provider's clock may be off."""

T = TypeVar("T")


class Provider:
    """Files and batches of one endpoint.

    Args:
        litellm: the module, quietly loaded.
        provider: litellm's name, one of ``PROVIDERS``.
        api_base: null: the provider's own.
        key: what to send.
        timeout: seconds for each call.
        retries: how often a failed call is repeated.
        redact: takes keys out of a text that is to be shown.
    """

    def __init__(self, litellm: Any, provider: str, *, api_base: str | None, key: str | None, timeout: float,
                 retries: int, redact: Callable[[str], str]) -> None:  # fmt: skip
        self._litellm, self._retries, self._redact = litellm, retries, redact
        self._where = api_base or f"{provider}'s API"
        self._options = {
            "custom_llm_provider": provider,
            "api_base": api_base,
            "api_key": key,
            "timeout": timeout,
            "max_retries": 0,
            "num_retries": 0,
        }

    def upload(self, path: Path) -> str:
        """Upload an input file; its id. A repetition after an unclear end leaves an orphaned file behind, nothing worse.

        Raises:
            RefusedError: the provider does not take it.
            UserError: it cannot be reached.
        """

        def send() -> str:
            with path.open("rb") as file:
                return str(self._litellm.create_file(file=file, purpose="batch", **self._options).id)

        return self._repeat("upload a file of requests", send)

    def create(self, file: str, name: str) -> str:
        """Create a batch out of an uploaded file, with our name in its metadata; its id.

        Raises:
            FullError, RefusedErrorError: it was not created.
            UnsureError: it may have been.
        """
        outcome = self._create(file, name)
        if not isinstance(outcome, Failure):
            return str(outcome.id)
        if _full(outcome):
            raise FullError(self._redact(outcome.text))
        if outcome.kind in PASSING or outcome.kind is Kind.RATE:
            raise UnsureError(self._redact(outcome.text))
        raise self._refusal("create a batch", outcome)

    def _create(self, file: str, name: str) -> Any:
        """The batch or the failure; a plain rate limit, which creates nothing, is waited out."""
        call = partial(self._litellm.create_batch, completion_window="24h", endpoint=CHATS, input_file_id=file,
                       metadata={NAME: name}, **self._options)  # fmt: skip
        start, tries = time.monotonic(), 0
        while True:
            outcome = _attempt(call)
            limited = isinstance(outcome, Failure) and outcome.kind is Kind.RATE and not _full(outcome)
            if not limited or time.monotonic() - start > PATIENCE_S:
                return outcome
            tries += 1
            time.sleep(backoff(tries, outcome.retry_after))

    def find(self, file: str, name: str, since: float) -> list[RemoteBatch]:
        """The batches that were made of this file or under this name, newest first.

        Args:
            since: Unix time before which it cannot have been created.
        """
        return [
            read_batch(batch)
            for batch in self._all(since - CLOCK_SKEW_S)
            if batch.input_file_id == file or (batch.metadata or {}).get(NAME) == name
        ]

    def _all(self, since: float) -> Iterator[Any]:
        after: dict[str, str] = {}
        while True:
            call = partial(self._litellm.list_batches, limit=PAGE, **after, **self._options)
            page = self._repeat("list the batches", call)
            yield from page.data
            if not page.data or not getattr(page, "has_more", False) or page.data[-1].created_at < since:
                return
            after = {"after": page.data[-1].id}

    def poll(self, batch: str) -> RemoteBatch:
        """How a batch stands."""
        call = partial(self._litellm.retrieve_batch, batch_id=batch, **self._options)
        return read_batch(self._repeat("ask after a batch", call))

    def download(self, file: str, path: Path) -> None:
        """Write a file's content to ``path``, a piece at a time."""

        def receive() -> None:
            content = self._litellm.file_content(file_id=file, stream=True, **self._options)
            path.touch(mode=0o600)
            with path.open("wb") as out:
                for piece in content.stream_iterator:
                    out.write(piece)

        self._repeat("download a file of answers", receive)

    def _repeat(self, what: str, call: Callable[[], T]) -> T:
        """Raises UserError when it is refused or the repetitions are used up; a rate limit is waited out."""
        start, tries, failed = time.monotonic(), 0, 0
        while True:
            outcome = _attempt(call)
            if not isinstance(outcome, Failure):
                return outcome
            tries += 1
            failed += outcome.kind in PASSING
            if outcome.kind not in PASSING and outcome.kind is not Kind.RATE:
                raise self._refusal(what, outcome)
            if failed > self._retries or time.monotonic() - start > PATIENCE_S:
                raise UserError(
                    f"{self._where} did not let us {what} in {tries} attempts, the last time: {self._redact(outcome.text)}. "
                    "Nothing is lost: the same command goes on from there"
                )
            time.sleep(backoff(tries, outcome.retry_after))

    def _refusal(self, what: str, failure: Failure) -> RefusedError:
        reason = f"{self._where} refuses to {what}: {self._redact(failure.text)}"
        return RefusedError(reason, _advice(failure.kind), missing=failure.kind is Kind.MODEL)


def _advice(kind: Kind) -> str:
    match kind:
        case Kind.KEY:
            return "Put a valid key into the variable that api_key_env names and run again"
        case Kind.CREDIT:
            return "Top it up and run again"
        case _:
            return "If it has no batch API for this model, set teacher.batch=false"


def _attempt(call: Callable[[], T]) -> T | Failure:
    """One call; what went wrong comes back as a value, so that no exception that quotes a key is ever chained."""
    try:
        return call()
    except Exception as error:
        headers = getattr(getattr(error, "response", None), "headers", {})
        return replace(classify(error), retry_after=retry_after(headers))


def _full(failure: Failure) -> bool:
    return failure.kind not in PASSING and is_full(failure.text)
