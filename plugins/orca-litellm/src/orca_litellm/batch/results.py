"""What a batch brought: the rows of its output and error files, sorted and taken into the response log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any, Final

from orca_core import DataError
from orca_core.responses import ResponseLog
from orca_litellm.batch.files import Batch, read_line
from orca_litellm.failures import OF_THE_PROMPT, Failure, Kind, by_status
from orca_litellm.replies import filtered

CHUNK: Final = 1000
"""Rows that are committed together."""
NO_OUTCOME: Final = "the batch ended without an outcome for it"

ReadReply = Callable[[Any], Mapping[str, Any]]
"""Reads a chat completion; raises ValueError if it is none."""


@dataclass
class Results:
    """What became of a batch's requests, apart from those that were answered."""

    dead: dict[bytes, str] = field(default_factory=dict)
    """Those that no repetition mends, with the reason."""
    failed: dict[bytes, str] = field(default_factory=dict)
    """Those that another batch may answer, with the reason."""


class Taker:
    """Takes the results of one batch into the log. Doing it twice, or half and again, comes to the same as once.

    Raises:
        DataError: the batch's input is gone.
    """

    def __init__(self, log: ResponseLog, batch: Batch, model: str, read: ReadReply) -> None:
        self._log, self._batch, self._model, self._read = log, batch, model, read
        self._decoding: Mapping[str, Any] = batch.data["decoding"]
        self._results = Results()

    async def take(self) -> Results:
        """All of it; committed when this returns."""
        try:
            inputs = self._batch.input.open("rb")
        except FileNotFoundError:
            raise DataError(self._batch.input, "the requests of a batch that was submitted are gone; restore the file from "
                            "a copy of the store, or move the whole store away and begin anew") from None  # fmt: skip
        with inputs:
            places = _places(inputs)
            open_ = dict(places)
            rows = self._rows()
            while some := list(islice(rows, CHUNK)):
                known = [(row, places[row["custom_id"]]) for row in some if row["custom_id"] in places]
                await asyncio.gather(*(self._row(row, *self._request(inputs, place)) for row, place in known))
                for row, _ in known:
                    open_.pop(row["custom_id"], None)
            for place in open_.values():
                self._results.failed[self._request(inputs, place)[0]] = NO_OUTCOME
        return self._results

    def _rows(self) -> Iterator[dict[str, Any]]:
        for name in self._batch.data["results"]:
            with (self._batch.directory / name).open("rb") as file:
                yield from (row for line in file if (row := _parse(line)) is not None)

    def _request(self, inputs: IO[bytes], place: int) -> tuple[bytes, dict[str, Any]]:
        inputs.seek(place)
        return read_line(inputs.readline(), self._model, self._decoding)

    async def _row(self, row: Mapping[str, Any], key: bytes, request: Mapping[str, Any]) -> None:
        outcome = self._outcome(row)
        if not isinstance(outcome, Failure):
            await self._log.afinish(key, request, outcome)
        elif outcome.kind in OF_THE_PROMPT or outcome.kind is Kind.SETTING:
            self._results.dead[key] = outcome.text
            await self._bury(key, request, outcome)
        else:
            self._results.failed[key] = outcome.text

    async def _bury(self, key: bytes, request: Mapping[str, Any], failure: Failure) -> None:
        """Once: when a half-done taking is done again, the key may be someone else's meanwhile."""
        letter = self._log.dead_letters([key]).get(key)
        if letter is None or letter.at < self._batch.data["at"]:
            await self._log.adead(key, request, failure.kind.name.lower(), failure.text, 1)

    def _outcome(self, row: Mapping[str, Any]) -> Mapping[str, Any] | Failure:
        response, error = row.get("response"), row.get("error")
        if not isinstance(response, dict):
            message = error.get("message") if isinstance(error, dict) else error
            return Failure(Kind.AGAIN, str(message or NO_OUTCOME))
        status, body = response.get("status_code"), response.get("body")
        if status == 200:
            try:
                return self._read(body)
            except ValueError as problem:
                return Failure(Kind.AGAIN, f"unreadable reply: {problem}")
        failure = by_status(status if isinstance(status, int) else 500, json.dumps(body), {})
        if failure.kind is Kind.FILTERED:
            return {
                **filtered(endpoint=self._batch.data["endpoint"], model=self._model, latency=0.0),
                "latency_s": None,
            }
        return failure


def _places(inputs: IO[bytes]) -> dict[str, int]:
    """Where in the input file the line of each custom id begins."""
    places: dict[str, int] = {}
    place = 0
    for line in inputs:
        places[json.loads(line)["custom_id"]] = place
        place += len(line)
    return places


def _parse(line: bytes) -> dict[str, Any] | None:
    """A row of results; None if it is no such thing, as in a file that broke off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("custom_id"), str) else None
