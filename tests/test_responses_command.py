"""``orca responses`` as people use it, and what its export holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orca_core import DataError
from orca_core.completion import suggest
from orca_core.responses import FILE, ResponseLog, Worst, make_request, request_key

MODELS = ("openai/gpt-4", "openai/gpt-3.5-turbo")
WORST = Worst(0.5, 300)


def request(i: int) -> dict:
    messages = [{"role": "system", "content": "Explain."}, {"role": "user", "content": f"½ 🐋 {i}\n\x1b[31m"}]
    return make_request(MODELS[i % 2], messages, {"temperature": 0.7, "seed": None}, sample=i % 3)


def key(i: int) -> bytes:
    r = request(i)
    return request_key(r["model"], r["messages"], r["decoding"], r["sample"])


def reply(i: int) -> dict:
    usage = {"prompt_tokens": 10, "completion_tokens": i, "cost_usd": 0.25, "latency_s": 0.5}
    names = {"model": "gpt-4-0613", "id": f"cmpl-{i}", "fingerprint": None, "endpoint": "main"}
    return {"text": f"It is {i}.", "finish_reason": "stop", **usage, **names}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Ten replies, one request that was perhaps billed, two dead letters, one that a batch has out."""
    store = tmp_path / "store"
    with ResponseLog(store / "cache" / FILE) as log:
        for i in range(10):
            log.begin(key(i), request(i), account="default", worst=WORST)
            log.finish(key(i), request(i), reply(i))
        log.begin(key(10), request(10), account="big", worst=WORST)
        log.failed(key(10), maybe_billed=True)
        log.dead(key(10), request(10), "timeout", "no reply within 60 s", 4)
        log.dead(key(12), request(12), "timeout", "no reply within 60 s", 1)
        log.begin(key(13), request(13), account="big", worst=WORST, batch="b")
    return store


def orca(*arguments: object, store: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"} | ({"ORCA_STORE": str(store)} if store else {})
    command = [sys.executable, "-m", "orca_core.cli", "responses", *map(str, arguments)]
    return subprocess.run(command, env=env, text=True, capture_output=True, check=False)


def mistake(*arguments: object, store: Path) -> str:
    result = orca(*arguments, store=store)
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    return result.stderr


def rows(output: str) -> list[list[str]]:
    """The cells of every line that are not empty."""
    return [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]


def test_replies_money_and_failures_are_shown_by_model_and_day(store):
    result = orca(store=store)
    assert result.returncode == 0, result.stderr
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    table = rows(result.stdout)
    assert ["openai/gpt-3.5-turbo", day, "5", "50", "25", "$1.25"] in table
    assert ["openai/gpt-4", day, "5", "50", "20", "$1.25", "1, $0.50"] in table
    assert ["all", "10", "100", "45", "$2.50", "1, $0.50"] in table
    assert ["big", "2", "600", "$1.00", "1, $0.50"] in table
    assert ["openai/gpt-4", "timeout", "2", min(key(10), key(12)).hex()[:12]] in table
    assert "maybe billed: 1, at worst $0.50." in result.stdout
    assert "out now: 1," in result.stdout


def test_the_store_is_named_by_an_option_or_the_environment(store, tmp_path):
    outputs = {
        orca("--store", store).stdout,
        orca(f"--store={store}").stdout,
        orca(store=store).stdout,
        orca("--store", store, store=tmp_path / "none").stdout,
    }
    assert len(outputs) == 1
    assert "openai/gpt-4" in outputs.pop()


def test_one_request_is_shown_by_the_beginning_of_its_id(store):
    shown = orca("show", key(3).hex()[:14].upper(), store=store).stdout
    assert shown == orca("show", key(3).hex(), store=store).stdout
    for fact in (
        key(3).hex(),
        "gpt-4-0613, main",
        "temperature=0.7",
        "cmpl-3",
        "Explain.",
        "½ 🐋 3",
        "It is 3.",
        "$0.25",
    ):
        assert fact in shown
    assert "\x1b" not in shown, "what a terminal would obey is not printed"


def test_a_dead_letter_and_an_open_request_are_shown_too(store):
    dead = orca("show", key(10).hex(), store=store).stdout
    assert "given up: timeout" in dead
    assert "no reply within 60 s" in dead
    assert "maybe billed" in dead
    assert "out: no reply yet" in orca("show", key(13).hex(), store=store).stdout


def test_an_id_that_is_not_there_names_the_nearest(store):
    near = key(3).hex()
    other = near[:20] + ("0" if near[20] != "0" else "1")
    assert f"no response has the id {other}; the nearest is {near}" in mistake("show", other, store=store)
    assert "is no id of a response" in mistake("show", "gpt-4", store=store)


def test_an_id_of_several_names_them(store):
    with ResponseLog(store / "cache" / FILE) as log:
        for end in (b"\x00", b"\x01"):
            log.put(b"\xab" * 15 + end, request(0), reply(0))
    assert f"more than one response has an id that begins with {'ab' * 10}" in mistake("show", "ab" * 10, store=store)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exprot", "x.parquet"], "did you mean 'export'?"),
        (["show"], "usage: orca responses show ID"),
        (["export"], "usage: orca responses export PATH.parquet"),
        (["export", "x.csv"], "ends in .parquet"),
        (["export", "none/x.parquet"], "cannot be written: No such file"),
        (["--stor", "x"], "did you mean '--store'?"),
        (["--store"], "--store needs a path"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(store, arguments, message):
    assert message in mistake(*arguments, store=store)


def test_a_store_without_a_log_is_told_and_left_as_it_is(tmp_path):
    errors = mistake(store=tmp_path / "none")
    assert "no response log is there" in errors
    assert "--store PATH or ORCA_STORE" in errors
    assert not (tmp_path / "none").exists()


def test_the_export_is_read_by_datasets(store, tmp_path):
    from datasets import load_dataset

    path = tmp_path / "answers.parquet"
    result = orca("export", path, store=store)
    assert "10 replies" in result.stdout, result.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    data = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert data.num_rows == 10
    for i, row in enumerate(data):
        assert row["key"] == key(i).hex()
        assert (row["model"], row["sample"], row["messages"]) == (MODELS[i % 2], i % 3, request(i)["messages"])
        assert json.loads(row["decoding"]) == {"temperature": 0.7}
        assert (row["text"], row["finish_reason"], row["served_model"]) == (f"It is {i}.", "stop", "gpt-4-0613")
        assert (row["prompt_tokens"], row["completion_tokens"], row["cost_usd"]) == (10, i, 0.25)
        assert (row["endpoint"], row["request_id"], row["fingerprint"]) == ("main", f"cmpl-{i}", None)
        assert (row["account"], row["attempts"], row["latency_s"]) == ("default", 1, 0.5)
        assert abs(row["at"].timestamp() - datetime.now(UTC).timestamp()) < 600


def test_long_replies_are_exported_in_several_row_groups(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr("orca_core.responses.export.GROUP_BYTES", 100_000)
    monkeypatch.setattr("orca_core.responses.export.PAGE", 10)
    with ResponseLog(tmp_path / "r.sqlite") as log:
        for i in range(35):
            log.put(key(i), request(i), reply(i) | {"text": f"{i} \ud83d" + "x" * 9000})
        assert log.export(tmp_path / "x.parquet") == 35
    file = pq.ParquetFile(tmp_path / "x.parquet")
    assert file.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert [row[:4] for row in file.read(["text"])["text"].to_pylist()][:11:10] == ["0 ?x", "10 ?"]


def test_an_export_that_fails_leaves_the_former_one(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    with ResponseLog(tmp_path / "r.sqlite") as log:
        log.put(key(0), request(0), reply(0))
        assert log.export(path) == 1
        before = path.read_bytes()

        def full(file: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(DataError, match="cannot be written: No space left"):
            log.export(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*tmp"))


def test_an_empty_log_says_so_and_exports_no_rows(tmp_path):
    import pyarrow.parquet as pq

    store = tmp_path / "store"
    with ResponseLog(store / "cache" / FILE):
        pass
    assert "no replies yet" in orca(store=store).stdout
    assert orca("export", tmp_path / "x.parquet", store=store).returncode == 0
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


def test_the_command_is_completed():
    assert suggest(["orca resp"]) == "responses"
    assert suggest(["orca responses "]) == "show export"
    assert suggest(["orca responses e"]) == "export"
