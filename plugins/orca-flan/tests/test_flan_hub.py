"""Streamed data sets, from a loopback server that can break off in the middle: no data set of the Hub is reached here."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from orca_flan.config import FlanConfig
from orca_flan.sampler import FlanSampler
from orca_flan.sources.hub import Hub

from orca_core.component import Context
from orca_core.errors import DataError, UserError
from orca_core.tables import prompt_row

ROWS = 3000
COLUMNS = {"query": "inputs", "target": "targets", "task": "_task_name", "template": "_template_type"}


class FileServer(ThreadingHTTPServer):
    """Serves ``files`` by name, with range requests; ``sent`` are the bytes of each that were asked for as ranges.

    ``broken[name] = [n, ...]``: the next ranges that hold the file's n-th byte end before it.
    """

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.broken = dict(files), dict[str, list[int]]()
        self.sent = Counter[str]()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client may hang up whenever it has enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *args: Any) -> None:
        pass

    def _answer(self, body: bool) -> None:
        name = self.path.lstrip("/")
        data = self.server.files.get(name)
        if data is None:
            self.send_error(404)
            return
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))) if asked else (0, len(data))
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        if body:
            self.server.sent[name] += bool(asked) * (end - start)
            self._send(data, start, end, self.server.broken.get(name) if asked else None)

    def _send(self, data: bytes, start: int, end: int, plan: list[int] | None) -> None:
        if not plan or not start <= plan[0] < end:
            self.wfile.write(data[start:end])
            return
        self.wfile.write(data[start : plan.pop(0)])
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve(files: Mapping[str, bytes]) -> Iterator[FileServer]:
    server = FileServer(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def rows(start: int, count: int = ROWS) -> list[dict[str, Any]]:
    return [
        {
            "inputs": f"{number}? " + f"{number * 2654435761 % 2**32:08x}" * 100,
            "targets": str(number),
            "_task_name": f"task{number % 5}",
            "_template_type": "zs_opt" if number % 3 else "fs_opt",
        }
        for number in range(start, start + count)
    ]


def parquet(records: list[dict[str, Any]], group: int = 500) -> bytes:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), file, row_group_size=group, compression="none", use_dictionary=False)
    return file.getvalue()


def jsonl(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


WRITERS = {"parquet": parquet, "json": jsonl}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One attempt a read of the library's own, none of its pauses, and nothing left in the home directory."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "STREAMING_READ_MAX_RETRIES", 1)
    monkeypatch.setattr(datasets.config, "STREAMING_READ_RETRY_INTERVAL", 0)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def hub(server: FileServer, kind: str, *names: str, **more: Any) -> dict[str, Any]:
    urls = [server.url(name) for name in names]
    return {"kind": "hub", "dataset": kind, "data_files": urls, "columns": COLUMNS, "wait": 0, **more}


def sampler(cache: Path, source: Mapping[str, Any], **more: Any) -> FlanSampler:
    config = {"collections": {"x": {"source": source, "templates": ["zs_opt"], "n": 500}}, **more}
    return FlanSampler(FlanConfig.model_validate(config), Context(seed=5, cache=cache, make=lambda kind, node: None))


def drawn(drawing: FlanSampler) -> list[dict[str, Any]]:
    return [prompt_row(prompt) for prompt in drawing.sample()]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_streamed_data_set_is_drawn_as_the_same_rows_in_files(tmp_path: Path, kind: str) -> None:
    parts = {f"part.{number}.{kind}": WRITERS[kind](rows(number * ROWS)) for number in (0, 1, 10)}
    for name, data in parts.items():
        path = tmp_path / "files" / name.replace(".json", ".jsonl")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    local = drawn(sampler(tmp_path / "1", {"kind": "files", "path": tmp_path / "files", "columns": COLUMNS}))
    with serve(parts) as server:
        backwards = sorted(parts, reverse=True)
        streamed = drawn(sampler(tmp_path / "2", hub(server, kind, *backwards)))
    assert len(local) == 500
    assert [row | {"meta": ""} for row in streamed] == [row | {"meta": ""} for row in local]
    assert {json.loads(row["meta"])["source"] for row in streamed} == parts.keys()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_connection_that_breaks_is_taken_up_again_at_its_row(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    name, data = f"a.{kind}", WRITERS[kind](rows(0, 30_000))  # of which up to 16 MB are asked for at once
    with serve({name: data}) as server:
        whole = drawn(sampler(tmp_path / "1", hub(server, kind, name)))
        breaking = sampler(tmp_path / "2", hub(server, kind, name))
        breaking._draw()  # the rows are counted while the line is good
        server.broken[name] = [9_000, 20_000_000, 9_000, 21_000_000]
        with caplog.at_level(logging.WARNING):
            assert drawn(breaking) == whole
        assert server.broken[name] == []
    assert len(data) > 24_000_000
    assert "broke off after row 0 " in caplog.text
    if kind == "json":  # of Parquet up to 32 MB are asked for at once
        assert re.search(r"broke off after row [1-9]", caplog.text)


def test_a_file_that_stays_broken_is_told_and_the_same_command_goes_on_from_there(tmp_path: Path) -> None:
    parts = {f"{name}.parquet": parquet(rows(number * ROWS)) for number, name in enumerate("abc")}
    with serve(parts) as server:
        source = hub(server, "parquet", *parts, retries=2)
        whole = drawn(sampler(tmp_path / "1", source))
        breaking = sampler(tmp_path / "2", source)
        breaking._draw()
        server.broken["b.parquet"] = [9_000] * 99
        with pytest.raises(UserError) as told:
            list(breaking.sample())
        text = str(told.value)
        assert f"data set 'parquet': {server.url('b.parquet')}: cannot be read beyond row 0 after 3 attempts" in text
        assert "the same command goes on" in text
        server.broken.clear()
        server.sent.clear()
        assert drawn(sampler(tmp_path / "2", source)) == whole
        assert server.sent["a.parquet"] < server.sent["b.parquet"]


def test_counting_reads_two_columns_of_parquet_and_not_the_texts(tmp_path: Path) -> None:
    data = parquet(rows(0, 30_000), group=30_000)
    with serve({"a.parquet": data}) as server:
        sampler(tmp_path, hub(server, "parquet", "a.parquet"))._draw()
        counted = server.sent["a.parquet"]
    assert len(data) > 24_000_000
    assert counted < 6_000_000


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"columns": COLUMNS | {"query": "input"}}, r"a\.parquet: column 'input' is missing; did you mean 'inputs'"),
        ({"split": "test", "data_files": None, "dataset": "parquet"}, "reads URLs"),
        (
            {"where": {"_task_name": ["boolq"]}},
            r"source\.where: no row has '_task_name' one of boolq; .*task0 \(600 rows\)",
        ),
    ],
)
def test_what_is_wrong_with_a_data_set_is_told(tmp_path: Path, source: dict[str, Any], said: str) -> None:
    with serve({"a.parquet": parquet(rows(0))}) as server, pytest.raises((UserError, ValueError), match=said):
        list(sampler(tmp_path, hub(server, "parquet", "a.parquet") | source).sample())


def test_a_url_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with serve({}) as server, pytest.raises(UserError, match=r"data set 'parquet'.*nowhere\.parquet"):
        list(sampler(tmp_path, hub(server, "parquet", "nowhere.parquet", wait=60)).sample())


def test_a_bad_row_is_told_with_its_file_and_number_or_skipped_and_counted(tmp_path: Path) -> None:
    records = rows(0, 40)
    records[4]["inputs"] = " "
    with serve({"a.parquet": parquet(records)}) as server:
        with pytest.raises(DataError, match=r"a\.parquet:5: the query is empty"):
            list(sampler(tmp_path / "1", hub(server, "parquet", "a.parquet")).sample())
        skipping = sampler(tmp_path / "2", hub(server, "parquet", "a.parquet"), bad_rows="skip")
        assert len(drawn(skipping)) == sum(record["_template_type"] == "zs_opt" for record in records) - 1
        assert skipping.pools()["x"]["skipped"] == 1


def test_a_data_set_of_the_hub_is_named_when_it_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    source = Hub.model_validate({"dataset": "nobody/nothing", "columns": {"query": "q"}}).open("x")
    with pytest.raises(UserError, match="data set 'nobody/nothing': "):
        source.shards()
