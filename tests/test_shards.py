"""Key ranges, logs of their own, shipments: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orca_core import Prompt, Query, UserError
from orca_core.errors import DataError
from orca_core.responses import Begun, Cap, ResponseLog, Worst, make_request, request_key
from orca_core.responses.parts import Mark, balances, cut, start, unanswered
from orca_core.shards import range_of
from orca_core.shipping import Depot, Home, every, homes, take

WORST = Worst(usd=0.5, tokens=100)
REPLY = {"text": "an answer", "prompt_tokens": 3, "completion_tokens": 5, "cost_usd": 0.125}


def request(n: int) -> tuple[bytes, dict]:
    messages = [{"role": "user", "content": f"question {n}"}]
    return request_key("m", messages, {}), make_request("m", messages, {})


def ask(log: ResponseLog, *numbers: int, cap: Cap | None = None) -> list[Begun]:
    """Ask and have answered."""
    begun = [log.begin(*request(n), account="a", worst=WORST, cap=cap) for n in numbers]
    for n, how in zip(numbers, begun, strict=True):
        if how is Begun.SENT:
            log.finish(*request(n), REPLY)
    return begun


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    depot = Depot(tmp_path / "shared/round")
    depot.parts.mkdir(parents=True)
    return depot


def home(path: Path) -> Home:
    with Home(path).locked():
        return Home(path)


@given(st.text(), st.text(), st.integers(0, 3), st.integers(1, 64))
def test_equal_requests_meet_in_one_range_whatever_task_they_are_of(text, system, sample, n):
    one = Prompt(Query(text, "task"), system=system, sample=sample)
    other = Prompt(Query(text, "another task", target="gold"), system=system, sample=sample)
    assert range_of(one, n) == range_of(other, n)
    assert 0 <= range_of(one, n) < n


def test_ranges_are_even():
    counts = Counter(range_of(Prompt(Query(f"question {i}", "t")), 8) for i in range(4000))
    assert len(counts) == 8
    assert max(counts.values()) < 1.3 * min(counts.values())


def test_shares_of_what_was_spent_add_up_to_it_at_least(tmp_path):
    with ResponseLog(tmp_path / "log.sqlite") as log:
        ask(log, *range(10))
        for n in (1, 2, 3, 7):
            ((name, usd, requests, tokens),) = balances(log.path, 1 / n)
            assert name == "a"
            assert 0 <= n * usd - 10 * 125 * 10**9 < n
            assert 0 <= n * requests - 10 < n
            assert 0 <= n * tokens - 80 < n


def test_a_log_that_starts_with_a_balance_keeps_its_part_of_a_cap_and_hands_over_only_its_own_rows(tmp_path):
    start(tmp_path / "own/log.sqlite", [("a", 0, 7, 0)])
    with ResponseLog(tmp_path / "own/log.sqlite") as own, ResponseLog(tmp_path / "main.sqlite") as main:
        assert ask(own, *range(4), cap=Cap(requests=10)) == [Begun.SENT] * 3 + [Begun.OVER_BUDGET]
        assert main.merge(own.path) == 3
        assert main.spent("a").requests == 3
    start(tmp_path / "own/log.sqlite", [("a", 0, 99, 0)])
    with ResponseLog(tmp_path / "own/log.sqlite") as own:
        assert own.spent("a").requests == 10, "a log that is there carries on"


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from(["reply", "dead", "maybe", "cut"]), max_size=25), st.randoms(use_true_random=False))
def test_parts_merged_in_any_order_and_any_number_of_times_are_the_whole(tmp_path_factory, actions, rng: random.Random):
    root = tmp_path_factory.mktemp("parts")
    parts, mark = [], Mark()
    with ResponseLog(root / "whole.sqlite") as whole:
        for number, action in enumerate([*actions, "cut"]):
            key, asked = request(number)
            if action == "cut":
                part = root / f"part-{number}.sqlite"
                if (new := cut(whole.path, part, mark)) is not None:
                    mark = new
                    parts.append(part)
                else:
                    assert not part.exists()
            elif action == "reply":
                ask(whole, number)
            else:
                whole.begin(key, asked, account="a", worst=WORST)
                whole.failed(key, maybe_billed=action == "maybe")
                whole.dead(key, asked, "timeout", "too slow", 1)
        merged = parts * 2
        rng.shuffle(merged)
        with ResponseLog(root / "merged.sqlite") as other:
            assert sum(other.merge(part) for part in merged) == len(whole)
            keys = [request(number)[0] for number in range(len(actions))]
            assert other.get_many(keys) == whole.get_many(keys)
            assert other.dead_letters(keys) == whole.dead_letters(keys)
            assert other.spent("a") == whole.spent("a")
            assert other.maybe_billed() == whole.maybe_billed()


def test_only_what_a_log_lacks_is_asked_and_in_its_order(tmp_path, monkeypatch):
    monkeypatch.setattr("orca_core.responses.parts.LOOKED_UP", 50)
    with ResponseLog(tmp_path / "log.sqlite") as log:
        ask(log, *range(0, 220, 3))
    left = list(unanswered(tmp_path / "log.sqlite", range(220), lambda n: request(n)[0]))
    assert left == [n for n in range(220) if n % 3]


def test_a_worker_on_the_same_machine_finds_everything_and_knows_what_was_out(tmp_path, depot):
    first = home(tmp_path / "range")
    first.prepare([("a", 0, 2, 0)], [], [])
    with ResponseLog(first.log) as log:
        ask(log, 1, 2)
        first.ship(depot.parts, "00000")
        ask(log, 3)
        log.begin(*request(4), account="a", worst=WORST)  # and the worker dies
    first.prepare([("a", 0, 2, 0)], depot.shipped(0), [])
    with ResponseLog(first.log) as log:
        assert ask(log, 1, 2, 3, 4) == [Begun.ANSWERED] * 3 + [Begun.SENT]
        assert log.spent("a").requests == 2 + 4 + 1
        assert log.maybe_billed().count == 1


def test_a_worker_on_another_machine_carries_on_from_what_was_shipped(tmp_path, depot):
    lost = home(tmp_path / "lost")
    lost.prepare([], [], [])
    with ResponseLog(lost.log) as log:
        ask(log, 1, 2)
        lost.ship(depot.parts, "00000")
        lost.ship(depot.parts, "00000")
        ask(log, 3)
        lost.ship(depot.parts, "00000")
        ask(log, 4)
    assert len(depot.shipped(0)) == 2, "nothing new is no shipment"
    other = home(tmp_path / "other")
    other.prepare([("a", 0, 5, 0)], depot.shipped(0), [])
    with ResponseLog(other.log) as log:
        assert ask(log, 1, 2, 3, 4) == [Begun.ANSWERED] * 3 + [Begun.SENT]
        assert log.spent("a").requests == 5 + 4
    assert depot.shipped(1) == []


def test_of_an_earlier_round_only_what_was_not_shipped_is_counted_anew(tmp_path, depot):
    earlier = home(tmp_path / "earlier")
    earlier.prepare([("a", 0, 50, 0)], [], [])
    with ResponseLog(earlier.log) as log:
        ask(log, 1, 2)
        earlier.ship(depot.parts, "00000")
        ask(log, 3)
    now = home(tmp_path / "now")
    now.prepare([("a", 0, 10, 0)], [], [earlier])
    with ResponseLog(now.log) as log:
        assert log.spent("a").requests == 10 + 1
        assert ask(log, 3) == [Begun.ANSWERED]
    assert not earlier.path.exists()


def test_what_arrives_twice_on_the_shared_disk_counts_once(tmp_path, depot):
    worker = home(tmp_path / "range")
    worker.prepare([], [], [])
    with ResponseLog(worker.log) as log:
        ask(log, 1, 2)
    worker.ship(depot.parts, "00000")
    (worker.path / "mark.json").unlink()  # it died before it had noted that
    worker.ship(depot.parts, "00000")
    with ResponseLog(tmp_path / "main.sqlite") as main:
        assert [take(main, part, tmp_path) for part in depot.shipped()] == [2, 0]
        assert main.spent("a").requests == 2


def test_a_depot_that_was_told_to_or_is_gone_has_stopped(tmp_path, depot):
    assert not depot.stopped
    depot.stop()
    assert depot.stopped
    gone = Depot(tmp_path / "gone")
    gone.stop()
    assert gone.stopped


def test_somebody_elses_directory_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert homes(tmp_path / "stage").parent.stat().st_mode & 0o777 == 0o700
    real = __import__("os").getuid()
    monkeypatch.setattr("os.getuid", lambda: real + 1)
    (tmp_path / f"orca-{real + 1}").mkdir()
    with pytest.raises(UserError, match="belongs to another user"):
        homes(tmp_path / "stage")


def test_a_disk_that_is_away_for_a_while_is_waited_for_but_the_last_shipment_tells():
    calls = []

    def ship() -> None:
        calls.append(1)
        raise DataError("/shared", "away")

    def wait_with_shipments() -> None:
        with every(0.001, ship):
            while len(calls) < 3:
                pass

    with pytest.raises(DataError, match="away"):
        wait_with_shipments()
