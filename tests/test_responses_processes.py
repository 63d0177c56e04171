"""The response log among processes: killed ones, two at once, full disks, logs that are merged."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orca_core import DataError
from orca_core.responses import Begun, Cap, Maybe, ResponseLog, Spent, Worst, make_request, request_key

REQUEST = make_request("m", [], {})
KEY = request_key("m", [], {})
REPLY = {"text": "4", "prompt_tokens": 1, "completion_tokens": 2, "cost_usd": 0.25}
WORST = Worst(usd=1.0, tokens=10)

PREAMBLE = """
import asyncio, os, sys
from pathlib import Path
from orca_core.responses import *
path, arguments = Path(sys.argv[1]), sys.argv[2:]
REQUEST, WORST = make_request("m", [], {}), Worst(usd=1.0, tokens=10)
REPLY = {"text": "x" * 500, "prompt_tokens": 1, "completion_tokens": 2, "cost_usd": 0.25}
def key(i): return request_key("m", [], {}, sample=i)
def say(*words): print(*words, flush=True)
"""


def key(i: int) -> bytes:
    return request_key("m", [], {}, sample=i)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "responses.sqlite"


def process(source: str, *arguments: object) -> subprocess.Popen[str]:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", PREAMBLE + source, *map(str, arguments)]
    return subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def rest(child: subprocess.Popen[str]) -> list[str]:
    """What it wrote after the lines that were read: `communicate` would lose what the reader had buffered."""
    assert child.stdout is not None
    text = child.stdout.read()
    child.communicate()
    return text.split("\n")


TEACHER = """
async def main(log):
    log.recover()
    todo = iter(range(int(arguments[0])))
    async def worker():
        for i in todo:
            if await log.abegin(key(i), REQUEST, account="a", worst=WORST) is Begun.SENT:
                say("sent", i)
                await asyncio.sleep(0.002 * (i % 5))
                await log.afinish(key(i), REQUEST, REPLY)
                say("done", i)
    await asyncio.gather(*(worker() for _ in range(30)))
with ResponseLog(path) as log:
    asyncio.run(main(log))
"""


def test_after_kill_9_at_any_moment_what_counted_is_there_and_the_rest_is_known(path):
    chance = random.Random(7)
    sent: list[int] = []
    done: set[int] = set()
    for _ in range(5):
        child = process(TEACHER, path, 100_000)
        until = chance.randrange(60, 400)
        lines = [line(child) for _ in range(until)]
        child.send_signal(signal.SIGKILL)
        lines += rest(child)[:-1]  # the last one may be cut off
        told = [word.split() for word in lines]
        sent += [int(i) for what, i in told if what == "sent"]
        done |= {int(i) for what, i in told if what == "done"}
        with ResponseLog(path) as log:
            found = log.recover()
        assert found.count <= 30, "at most what was in flight"
        assert found.usd == found.count * WORST.usd
    with ResponseLog(path) as log:
        assert set(log.get_many(key(i) for i in done)) == {key(i) for i in done}
        open_ones = {key(i) for i in sent} - log.answered(key(i) for i in sent)
        maybe = {row[0] for row in log.query("SELECT key FROM maybe")}
        assert open_ones <= maybe, "whatever left and has no reply is known"
        spent = log.spent("a")
        assert spent.requests == len(log) + log.maybe_billed().count
        assert spent.usd == pytest.approx(0.25 * len(log) + 1.0 * log.maybe_billed().count)
        assert not list(log.query("SELECT * FROM claim"))
        assert len(list((path.parent / "owners").iterdir())) == 1, "the dead ones' files are gone"


HOLDER = """
with ResponseLog(path) as log:
    say(log.begin(key(0), REQUEST, account="a", worst=WORST).name)
    sys.stdin.readline()
    log.finish(key(0), REQUEST, REPLY)
    say("done")
    sys.stdin.readline()
"""


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def test_what_one_process_has_out_another_waits_for_and_then_reads(path):
    child = process(HOLDER, path)
    assert line(child) == "SENT"
    with ResponseLog(path) as log:
        assert log.recover() == Maybe(0, 0), "it is alive"
        assert log.begin(KEY, REQUEST, account="b", worst=WORST) is Begun.TAKEN
        tell(child)
        assert line(child) == "done"
        assert log.begin(KEY, REQUEST, account="b", worst=WORST) is Begun.ANSWERED
        assert log.get_many([KEY])[KEY]["text"] == "x" * 500
        assert log.spent("b") == Spent(0, 0, 0, 0, 0)
    child.communicate("\n")


def test_what_a_killed_process_had_out_is_maybe_billed_and_asked_again(path):
    child = process(HOLDER, path)
    assert line(child) == "SENT"
    with ResponseLog(path) as log:
        assert log.begin(KEY, REQUEST, account="b", worst=WORST) is Begun.TAKEN
        child.kill()
        child.communicate()
        assert log.begin(KEY, REQUEST, account="b", worst=WORST) is Begun.SENT
        assert log.maybe_billed() == Maybe(1, 1.0)
        assert log.spent("a") == Spent(1.0, 1, 10, 1.0, 1)
        assert log.finish(KEY, REQUEST, REPLY) == REPLY


SPENDER = """
async def main(log):
    counts = {begun: 0 for begun in Begun}
    async def one(i):
        begun = await log.abegin(key(i), REQUEST, account="a", worst=WORST, cap=Cap(usd=20))
        counts[begun] += 1
        if begun is Begun.SENT and i % 3:
            await asyncio.sleep(0.005)
            if i % 3 == 1:
                await log.afinish(key(i), REQUEST, REPLY)
            else:
                await log.afailed(key(i), maybe_billed=i % 2 == 0)
        assert log.spent("a").usd <= 20
    first = int(arguments[0])
    say("ready")
    sys.stdin.readline()
    for start in range(first, first + 200, 20):
        await asyncio.gather(*(one(i) for i in range(start, start + 20)))
    say(counts[Begun.SENT])
with ResponseLog(path) as log:
    asyncio.run(main(log))
"""


def test_two_processes_never_pass_a_cap_together(path):
    children = [process(SPENDER, path, first) for first in (0, 1000)]
    assert [line(child) for child in children] == ["ready"] * 2
    sent = [int(child.communicate("\n", timeout=300)[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    with ResponseLog(path) as log:
        spent = log.spent("a")
        assert 19 <= spent.usd <= 20, "all of it was used, and no more"
        assert sum(sent) > 20, "what was not needed was spent on others"
        assert log.begin(b"x" * 16, REQUEST, account="a", worst=Worst(1.01, 1), cap=Cap(usd=20)) is Begun.OVER_BUDGET


SHARER = """
with ResponseLog(path) as log:
    for i in range(int(arguments[1])):
        log.put(key(i), REQUEST, REPLY | {"by": arguments[0]})
"""


def test_processes_that_start_together_share_a_new_log(path):
    children = [process(SHARER, path, i, 50) for i in range(4)]
    for child in children:
        child.communicate(timeout=300)
    assert [child.returncode for child in children] == [0] * 4
    with ResponseLog(path) as log:
        assert len(log) == 50


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_an_error_for_people_and_what_counted_stays(disk):
    log, kept = ResponseLog(disk / "r.sqlite"), []

    def fill() -> None:
        for i in range(1000):
            log.begin(key(i), REQUEST, account="a", worst=WORST)
            log.finish(key(i), REQUEST, REPLY | {"text": "x" * 5000})
            kept.append(key(i))

    with pytest.raises(DataError, match="make room or mend the disk and run again, finished answers are kept"):
        fill()
    with pytest.raises(DataError, match="make room"):
        log.begin(key(1001), REQUEST, account="a", worst=WORST)
    assert set(log.get_many(kept)) == set(kept)
    log.close()
    assert len(kept) > 20
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    with ResponseLog(disk / "r.sqlite") as log:
        assert log.recover().count <= 1
        assert set(log.get_many(kept)) == set(kept)
        assert log.put(b"x" * 16, REQUEST, REPLY) == REPLY


def test_the_log_of_a_dead_process_is_merged_with_all_that_it_knew(path, tmp_path):
    other = tmp_path / "node" / "responses.sqlite"
    child = process(TEACHER, other, 100_000)
    for _ in range(200):
        line(child)
    child.kill()
    child.communicate()
    assert other.with_name("responses.sqlite-wal").stat().st_size, "it lies in the write-ahead log still"
    with ResponseLog(path) as log:
        log.begin(key(0), REQUEST, account="a", worst=WORST)
        log.finish(key(0), REQUEST, {"text": "ours"})
        n = log.merge(other)
        assert n >= 30
        assert len(log) == n + 1
        assert log.get_many([key(0)]) == {key(0): {"text": "ours"}}
        spent, maybe = log.spent("a"), log.maybe_billed()
        assert maybe.count > 1, "what it had out, and its own answer to what we had answered"
        assert spent.requests == len(log) + maybe.count
        assert spent.usd == pytest.approx(1.0 + 0.25 * n + maybe.usd)
        assert log.merge(other) == 0
        assert (log.spent("a"), log.maybe_billed()) == (spent, maybe)


def test_dead_letters_and_texts_are_merged_too(path, tmp_path):
    other = tmp_path / "node" / "responses.sqlite"
    request = make_request("m", [{"role": "user", "content": "½ 🐋"}], {})
    with ResponseLog(other) as log:
        log.dead(key(1), REQUEST, "timeout", "theirs", 3)
        log.dead(key(2), REQUEST, "timeout", "theirs", 3)
        log.put(key(3), request, REPLY)
        log.dead(key(4), REQUEST, "timeout", "theirs", 3)
    with ResponseLog(path) as log:
        log.dead(key(1), REQUEST, "refused", "ours", 1)
        log.put(key(2), REQUEST, REPLY)
        log.dead(key(3), REQUEST, "refused", "ours", 1)
        assert log.merge(other) == 1
        letters = log.dead_letters(key(i) for i in range(5))
        assert {k: v.text for k, v in letters.items()} == {key(1): "ours", key(4): "theirs"}
        ((text,),) = log.query("SELECT request FROM body JOIN reply USING (id) WHERE key = ?", key(3))
        assert json.loads(text) == request


def test_a_log_that_was_cut_off_within_a_commit_is_whole(path):
    """A machine that goes down leaves any beginning of the write-ahead log."""
    with ResponseLog(path) as log:
        for i in range(20):
            log.put(key(i), REQUEST, REPLY)
        copy = path.parent.parent / "copy"
        shutil.copytree(path.parent, copy, ignore=shutil.ignore_patterns("owners", "*-shm"))
    wal = copy / "responses.sqlite-wal"
    size = wal.stat().st_size
    os.truncate(wal, size - 3000)
    with ResponseLog(copy / path.name) as log:
        assert log.query("PRAGMA integrity_check") == [("ok",)]
        assert len(log) == 19
