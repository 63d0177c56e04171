"""The response log: what keys mean, what survives, who may use it at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orca_core import DataError
from orca_core.responses import ResponseLog, canonical_json, make_request, request_key

MESSAGES = [{"role": "system", "content": "Explain."}, {"role": "user", "content": "Was ist 2 + 2? ½ 🐋"}]
REQUEST = make_request("openai/gpt-4", MESSAGES, {"temperature": 0.7})
KEY = request_key("openai/gpt-4", MESSAGES, {"temperature": 0.7})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "responses.sqlite"


def test_keys_are_the_same_for_ever():
    """Frozen: another key would buy every answer again."""
    assert KEY.hex() == "7c8f79bbdf6fd9741d7bd6759515fbfb"
    assert request_key("m", [{"role": "user", "content": ""}], {}).hex() == "96c1af125e844cf13a24126adc385648"
    assert (
        request_key("m", [{"role": "user", "content": ""}], {"stop": ["a"], "seed": 1}, sample=3).hex()
        == "637f5ebb46d0a1e86f9e6bf961e54051"
    )


def test_whatever_decides_the_answer_changes_the_key():
    user = [{"role": "user", "content": "x"}]
    keys = {
        request_key("m", user, {}),
        request_key("n", user, {}),
        request_key("m", [{"role": "system", "content": "x"}], {}),
        request_key("m", [*user, *user], {}),
        request_key("m", user, {"temperature": 0}),
        request_key("m", user, {"top_p": 0}),
        request_key("m", user, {}, sample=1),
    }
    assert len(keys) == 7
    assert all(len(key) == 16 for key in keys)


def test_order_and_unset_settings_do_not_change_the_key():
    one = request_key("m", [{"role": "user", "content": "x"}], {"a": 1, "b": 2})
    other = request_key("m", [{"content": "x", "role": "user"}], {"b": 2, "a": 1, "c": None})
    assert one == other


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.lists(st.dictionaries(st.text(), st.text()), max_size=3),
    st.lists(st.dictionaries(st.text(), st.text()), max_size=3),
)
def test_two_requests_share_a_key_only_if_they_are_equal(one, other):
    assert (request_key("m", one, {}) == request_key("m", other, {})) == (one == other)


@settings(max_examples=25, deadline=None)
@given(reply=st.dictionaries(st.text(), JSON, max_size=4))
def test_a_reply_comes_back_as_it_was_put(reply, tmp_path_factory):
    with ResponseLog(tmp_path_factory.mktemp("log") / "r.sqlite") as log:
        log.put(KEY, REQUEST, reply)
        assert log.get_many([KEY]) == {KEY: reply}


def test_only_known_keys_are_found(path):
    keys = [request_key("m", [], {}, sample=i) for i in range(1200)]
    with ResponseLog(path) as log:
        for i in range(0, 1200, 2):
            log.put(keys[i], REQUEST, {"text": str(i)})
        found = log.get_many(iter(keys))
        assert found == {keys[i]: {"text": str(i)} for i in range(0, 1200, 2)}
        assert len(log) == 600


def test_the_first_reply_under_a_key_stays(path):
    with ResponseLog(path) as log:
        assert log.put(KEY, REQUEST, {"text": "first"}) == {"text": "first"}
        assert log.put(KEY, REQUEST, {"text": "second"}) == {"text": "first"}
        assert log.get_many([KEY]) == {KEY: {"text": "first"}}


def test_means_are_over_the_replies_of_one_model(path):
    with ResponseLog(path) as log:
        for i, model in enumerate(("a", "a", "b")):
            log.put(bytes([i]) * 16, make_request(model, [], {}), {"completion_tokens": 10 * (i + 1)})
        log.put(b"x" * 16, make_request("a", [], {}), {"completion_tokens": None})
        assert log.mean("a", "completion_tokens") == 15
        assert log.mean("c", "completion_tokens") is None


def test_the_request_is_kept_beside_its_reply(path):
    with ResponseLog(path) as log:
        log.put(KEY, REQUEST, {"text": "4"})
    row = sqlite3.connect(path).execute("SELECT key, model, request FROM reply").fetchone()
    assert row == (KEY, "openai/gpt-4", canonical_json(REQUEST))


def test_only_the_owner_may_read_it(path):
    with ResponseLog(path) as log:
        log.put(KEY, REQUEST, {"text": "4"})
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
        assert len(list(path.parent.iterdir())) > 1, "the write-ahead log is looked at too"


def test_a_file_that_others_could_read_is_closed_to_them(path):
    path.parent.mkdir()
    path.touch(0o644)
    with ResponseLog(path):
        assert path.stat().st_mode & 0o777 == 0o600


WRITER = """
import os, sys
from pathlib import Path
from orca_core.responses import ResponseLog, make_request, request_key
name, n = sys.argv[2], int(sys.argv[3])
with ResponseLog(Path(sys.argv[1])) as log:
    for i in range(n):
        log.put(request_key("m", [], {}, sample=i), make_request("m", [], {}, sample=i), {"by": name, "text": "x" * 500})
        print(i, flush=True)
"""


def writer(path: Path, name: str, n: int) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(n)], env=env, text=True, stdout=subprocess.PIPE
    )


def test_processes_that_start_together_share_a_new_log(path):
    children = [writer(path, str(i), 200) for i in range(4)]
    for child in children:
        child.communicate(timeout=60)
    assert [child.returncode for child in children] == [0] * 4
    with ResponseLog(path) as log:
        assert len(log) == 200


def test_a_killed_writer_loses_nothing_that_counted(path):
    child = writer(path, "killed", 100_000)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(300)]
    child.send_signal(signal.SIGKILL)
    told += [int(line) for line in child.communicate()[0].splitlines() if line]
    with ResponseLog(path) as log:
        kept = len(log.get_many(request_key("m", [], {}, sample=i) for i in told))
    assert kept == len(told) >= 300


def test_threads_share_one_log(path):
    with ResponseLog(path) as log:

        def work(start: int) -> None:
            for i in range(start, start + 100):
                key = request_key("m", [], {}, sample=i)
                log.put(key, REQUEST, {"i": i})
                assert log.get_many([key]) == {key: {"i": i}}

        threads = [threading.Thread(target=work, args=(50 * t,)) for t in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(log) == 250


def test_a_file_that_is_no_log_is_an_error_for_people(path):
    path.parent.mkdir()
    path.write_text("not a database, but long enough to be looked at " * 100)
    with pytest.raises(DataError, match=r"responses\.sqlite: the response log cannot be used .*move it away"):
        ResponseLog(path)


def test_a_log_of_another_format_is_left_alone(path):
    with ResponseLog(path):
        pass
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(DataError, match="format 99, this orca reads 1"):
        ResponseLog(path)


def test_a_full_disk_is_an_error_for_people_and_what_was_put_stays(path):
    with ResponseLog(path) as log:
        log.put(KEY, REQUEST, {"text": "4"})
        pages = log._db.execute("PRAGMA page_count").fetchone()[0]
        log._db.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(DataError, match="make room and run again"):
            log.put(b"y" * 16, REQUEST, {"text": "x" * 100_000})
    with ResponseLog(path) as log:
        assert log.get_many([KEY]) == {KEY: {"text": "4"}}
