"""The response log: what keys mean, what is stored, what a request goes through."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orca_core import DataError
from orca_core.responses import (
    Begun,
    Cap,
    DeadLetter,
    Maybe,
    ResponseLog,
    Spent,
    Worst,
    canonical_json,
    make_request,
    request_key,
)

MESSAGES = [{"role": "system", "content": "Explain."}, {"role": "user", "content": "Was ist 2 + 2? ½ 🐋"}]
REQUEST = make_request("openai/gpt-4", MESSAGES, {"temperature": 0.7})
KEY = request_key("openai/gpt-4", MESSAGES, {"temperature": 0.7})
REPLY = {"text": "4", "prompt_tokens": 10, "completion_tokens": 20, "cost_usd": 0.25, "latency_s": 0.5}
WORST = Worst(usd=1.0, tokens=100)


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


def test_half_a_surrogate_pair_is_kept(path):
    """Servers send such text; UTF-8 cannot hold it."""
    with ResponseLog(path) as log:
        log.put(KEY, REQUEST, {"text": "\ud83d and ½"})
        assert log.get_many([KEY]) == {KEY: {"text": "\ud83d and ½"}}
        log.dead(b"x" * 16, REQUEST, "refused", "the server says \ud83d", 1)
        assert log.dead_letters([b"x" * 16])[b"x" * 16].text == "the server says ?"


def test_means_are_over_the_replies_of_one_model(path):
    with ResponseLog(path) as log:
        for i, model in enumerate(("a", "a", "b")):
            log.put(bytes([i]) * 16, make_request(model, [], {}), {"completion_tokens": 10 * (i + 1), "latency_s": i})
        log.put(b"x" * 16, make_request("a", [], {}), {"completion_tokens": None})
        assert log.mean("a", "completion_tokens") == 15
        assert log.mean("b", "latency_s") == 2
        assert log.mean("c", "completion_tokens") is None
        with pytest.raises(ValueError, match="known: prompt_tokens"):
            log.mean("a", "text")


def test_the_request_is_kept_beside_its_reply(path):
    with ResponseLog(path) as log:
        log.put(KEY, REQUEST, {"text": "4"})
    row = sqlite3.connect(path).execute("SELECT key, model, request FROM reply JOIN body USING (id)").fetchone()
    assert row == (KEY, "openai/gpt-4", canonical_json(REQUEST))


def test_only_the_owner_may_read_it(path):
    with ResponseLog(path) as log:
        log.put(KEY, REQUEST, {"text": "4"})
        files = [file for file in path.parent.rglob("*") if file.is_file()]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert len(files) > 2, "the write-ahead log and the lock are looked at too"
        assert {d.stat().st_mode & 0o777 for d in (path.parent, path.parent / "owners")} == {0o700}


def test_a_file_that_others_could_read_is_closed_to_them(path):
    path.parent.mkdir()
    path.touch(0o644)
    with ResponseLog(path):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_request_is_recorded_then_settled_with_what_it_cost(path):
    with ResponseLog(path) as log:
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT
        assert log.spent("a") == Spent(usd=1.0, requests=1, tokens=100, maybe_usd=0, maybe_requests=0)
        assert log.finish(KEY, REQUEST, REPLY) == REPLY
        assert log.spent("a") == Spent(usd=0.25, requests=1, tokens=30, maybe_usd=0, maybe_requests=0)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.ANSWERED
        assert log.get_many([KEY]) == {KEY: REPLY}
        assert log.maybe_billed() == Maybe(0, 0)


def test_what_the_provider_does_not_tell_is_booked_at_the_worst_case(path):
    with ResponseLog(path) as log:
        log.begin(KEY, REQUEST, account="a", worst=WORST)
        log.finish(KEY, REQUEST, {"text": "4", "prompt_tokens": None, "completion_tokens": 3, "cost_usd": None})
        assert log.spent("a") == Spent(usd=1.0, requests=1, tokens=100, maybe_usd=0, maybe_requests=0)


def test_nonsense_in_the_counts_of_a_server_loses_no_reply(path):
    reply = {"text": "4", "prompt_tokens": -1, "completion_tokens": 10**30, "cost_usd": "free", "latency_s": None}
    with ResponseLog(path) as log:
        log.begin(KEY, REQUEST, account="a", worst=WORST)
        assert log.finish(KEY, REQUEST, reply) == reply
        assert log.spent("a").tokens == 100


def test_an_attempt_that_failed_unbilled_costs_nothing_and_may_be_repeated(path):
    with ResponseLog(path) as log:
        log.begin(KEY, REQUEST, account="a", worst=WORST)
        log.failed(KEY, maybe_billed=False)
        assert log.spent("a") == Spent(0, 0, 0, 0, 0)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT
        log.failed(KEY, maybe_billed=True)
        assert log.spent("a") == Spent(1.0, 1, 100, 1.0, 1)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT
        log.finish(KEY, REQUEST, REPLY)
        assert log.spent("a") == Spent(1.25, 2, 130, 1.0, 1)
        assert log.maybe_billed() == Maybe(1, 1.0)
        assert log.query("SELECT attempts FROM reply") == [(3,)]


def test_an_attempt_that_is_not_out_cannot_fail(path):
    with ResponseLog(path) as log:
        with pytest.raises(ValueError, match="no attempt"):
            log.failed(KEY, maybe_billed=True)
        assert log.put(KEY, REQUEST, REPLY) == REPLY, "the mistake of one is not the trouble of others"


def test_a_request_is_out_once_within_one_process_too(path):
    with ResponseLog(path) as log:
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.TAKEN
        log.release(KEY)
        assert log.spent("a") == Spent(0, 0, 0, 0, 0)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT


@pytest.mark.parametrize("cap", [Cap(usd=2.5), Cap(requests=2), Cap(tokens=299)])
def test_a_cap_holds_at_the_worst_case_and_gives_back_what_was_not_needed(path, cap):
    keys = [bytes([i]) * 16 for i in range(4)]
    with ResponseLog(path) as log:

        def begin(key: bytes) -> Begun:
            return log.begin(key, REQUEST, account="a", worst=WORST, cap=cap)

        assert [begin(key) for key in keys] == [Begun.SENT, Begun.SENT, Begun.OVER_BUDGET, Begun.OVER_BUDGET]
        log.release(keys[0])
        assert begin(keys[2]) is Begun.SENT
        assert begin(keys[3]) is Begun.OVER_BUDGET
        assert log.begin(keys[3], REQUEST, account="other", worst=WORST, cap=cap) is Begun.SENT


def test_a_cap_in_dollars_needs_a_price(path):
    with ResponseLog(path) as log:
        with pytest.raises(ValueError, match="openai/gpt-4, which has no price"):
            log.begin(KEY, REQUEST, account="a", worst=Worst(None, 100), cap=Cap(usd=1))
        assert log.begin(KEY, REQUEST, account="a", worst=Worst(None, 100), cap=Cap(tokens=100)) is Begun.SENT


def test_why_a_request_was_given_up_is_kept_until_a_reply_arrives(path):
    with ResponseLog(path) as log:
        log.begin(KEY, REQUEST, account="a", worst=WORST)
        log.failed(KEY, maybe_billed=False)
        log.dead(KEY, REQUEST, "timeout", "no reply within 60 s", 3)
        letter = log.dead_letters([KEY, b"x" * 16])[KEY]
        assert letter == DeadLetter("timeout", "no reply within 60 s", 3, letter.at)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT, "the next run asks it again"
        log.finish(KEY, REQUEST, REPLY)
        assert log.dead_letters([KEY]) == {}


def test_a_paid_reply_that_comes_second_is_on_the_books_as_billed(path):
    with ResponseLog(path) as log, ResponseLog(path) as other:
        log.begin(KEY, REQUEST, account="a", worst=WORST)
        other.put(KEY, REQUEST, {"text": "first"})
        assert log.finish(KEY, REQUEST, REPLY) == {"text": "first"}
        assert log.spent("a") == Spent(0.25, 1, 30, 0.25, 1)
        assert other.put(KEY, REQUEST, REPLY) == {"text": "first"}, "an import is paid for by nobody"
        assert log.maybe_billed() == Maybe(1, 0.25)


def test_what_is_out_when_a_log_is_closed_is_maybe_billed(path):
    with ResponseLog(path) as log:
        log.begin(KEY, REQUEST, account="a", worst=WORST)
        assert len(list((path.parent / "owners").iterdir())) == 1
    assert list((path.parent / "owners").iterdir()) == []
    with ResponseLog(path) as log:
        assert log.recover() == Maybe(0, 0), "that was told when it happened"
        assert log.maybe_billed() == Maybe(1, 1.0)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT


def test_a_batch_keeps_its_claims_without_a_process(path):
    with ResponseLog(path) as log:
        assert log.begin(KEY, REQUEST, account="a", worst=WORST, batch="b1") is Begun.SENT
        log.save_batch("b1", "m", {"id": None})
    with ResponseLog(path) as log:
        assert log.recover() == Maybe(0, 0)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.TAKEN
        assert log.begin(KEY, REQUEST, account="a", worst=WORST, batch="b2") is Begun.TAKEN
        log.release(KEY)  # as a task does that was cancelled while it began: the claim is not its own
        assert log.begin(KEY, REQUEST, account="a", worst=WORST, batch="b1") is Begun.SENT, "it is the same claim"
        assert log.spent("a").requests == 1
        log.save_batch("b1", "m", {"id": "batch_1"})
        assert log.batches("m") == {"b1": {"id": "batch_1"}}
        assert log.batches("n") == {}
        log.finish(KEY, REQUEST, REPLY)
        assert log.spent("a") == Spent(0.25, 1, 30, 0, 0)


def test_a_batch_that_ends_frees_what_it_still_claims(path):
    keys = [bytes([i]) * 16 for i in range(3)]
    with ResponseLog(path) as log:
        for key in keys:
            log.begin(key, REQUEST, account="a", worst=WORST, batch="b1")
        log.finish(keys[0], REQUEST, REPLY)
        log.save_batch("b1", "m", {"state": "expired"}, release=True)
        assert log.spent("a") == Spent(0.25, 1, 30, 0, 0)
        assert log.begin(keys[1], REQUEST, account="a", worst=WORST) is Begun.SENT


def test_a_batch_that_is_given_up_may_have_been_billed(path):
    with ResponseLog(path) as log:
        log.begin(KEY, REQUEST, account="a", worst=WORST, batch="b1")
        log.save_batch("b1", "m", {"state": "lost"}, release=True, maybe_billed=True)
        assert log.maybe_billed() == Maybe(1, WORST.usd)
        assert log.begin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT


def test_totals_are_by_model_and_day(path):
    with ResponseLog(path) as log:
        for i, model in enumerate(("a", "a", "b")):
            log.put(bytes([i]) * 16, make_request(model, [], {}), REPLY)
        log.begin(KEY, make_request("c", [], {}), account="a", worst=WORST)
        log.failed(KEY, maybe_billed=True)
        rows = [
            (t.model, t.replies, t.prompt_tokens, t.completion_tokens, t.cost_usd, t.maybe_count, t.maybe_usd)
            for t in log.totals()
        ]
    assert rows == [("a", 2, 20, 40, 0.5, 0, 0), ("b", 1, 10, 20, 0.25, 0, 0), ("c", 0, 0, 0, 0, 1, 1.0)]


def test_tasks_that_wait_for_one_commit_are_woken_together(path):
    async def main(log: ResponseLog, blocker: sqlite3.Connection) -> int:
        loop, calls = asyncio.get_running_loop(), 0
        wake = loop.call_soon_threadsafe

        def counted(*arguments, **more):
            nonlocal calls
            calls += 1
            return wake(*arguments, **more)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        blocker.execute("BEGIN IMMEDIATE")
        requests = [log.abegin(bytes([i]) * 16, REQUEST, account="a", worst=WORST) for i in range(100)]
        waiting = asyncio.gather(*requests)
        await asyncio.sleep(0.1)
        blocker.execute("COMMIT")
        assert await waiting == [Begun.SENT] * 100
        return calls

    with ResponseLog(path) as log:
        blocker = sqlite3.connect(path, isolation_level=None)
        assert asyncio.run(main(log, blocker)) <= 2
        blocker.close()


def test_what_an_engine_does_has_a_form_for_event_loops(path):
    async def main(log: ResponseLog) -> None:
        other = b"y" * 16
        assert await log.abegin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT
        await log.afailed(KEY, maybe_billed=True)
        assert await log.abegin(KEY, REQUEST, account="a", worst=WORST) is Begun.SENT
        assert await log.afinish(KEY, REQUEST, REPLY) == REPLY
        assert await log.abegin(other, REQUEST, account="a", worst=WORST) is Begun.SENT
        await log.arelease(other)
        await log.adead(other, REQUEST, "refused", "no", 1)

    with ResponseLog(path) as log:
        asyncio.run(main(log))
        log.save_batch("b", "m", {})
        assert log.spent("a") == Spent(1.25, 2, 130, 1.0, 1)
        assert log.dead_letters([b"y" * 16])[b"y" * 16].kind == "refused"
        assert log.batches("m") == {"b": {}}


def test_a_cancelled_task_can_release_what_it_may_have_claimed(path):
    async def main(log: ResponseLog) -> None:
        task = asyncio.create_task(log.abegin(KEY, REQUEST, account="a", worst=WORST))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await log.arelease(KEY)

    with ResponseLog(path) as log:
        asyncio.run(main(log))
        assert log.spent("a") == Spent(0, 0, 0, 0, 0)


def test_threads_share_one_log(path):
    with ResponseLog(path) as log:

        def work(start: int) -> None:
            for i in range(start, start + 40):
                key = request_key("m", [], {}, sample=i)
                log.put(key, REQUEST, {"i": i})
                assert log.get_many([key]) == {key: {"i": i}}

        threads = [threading.Thread(target=work, args=(20 * t,)) for t in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(log) == 100


def test_a_closed_log_says_so(path):
    log = ResponseLog(path)
    log.close()
    log.close()
    with pytest.raises(ValueError, match="is closed"):
        log.put(KEY, REQUEST, REPLY)


def test_a_file_that_is_no_log_is_an_error_for_people(path):
    path.parent.mkdir()
    path.write_text("not a database, but long enough to be looked at " * 100)
    with pytest.raises(DataError, match=r"responses\.sqlite: the response log cannot be used .*move it away"):
        ResponseLog(path)


@pytest.mark.parametrize("version", [1, 99])
def test_a_log_of_another_format_is_left_alone(path, version):
    with ResponseLog(path):
        pass
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={version}")
    with pytest.raises(DataError, match=f"format {version}, this orca reads 2; use another store"):
        ResponseLog(path)


def test_a_log_that_someone_else_holds_on_to_is_an_error_for_people(path, monkeypatch):
    monkeypatch.setattr("orca_core.responses.schema.BUSY_S", 0.2)
    with ResponseLog(path) as log:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(DataError, match="another process has held it"):
            log.put(KEY, REQUEST, REPLY)
        blocker.execute("ROLLBACK")
        blocker.close()
        with pytest.raises(DataError, match="another process has held it"):
            log.put(KEY, REQUEST, REPLY)
    with ResponseLog(path) as log:
        assert log.put(KEY, REQUEST, REPLY) == REPLY
