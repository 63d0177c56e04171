"""Rate limits: what headers say, and that an allowance is never overdrawn."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orca_litellm.endpoints.limits import Bucket, Told, read_limit, seconds

OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-tokens": "9ms",
}
ANTHROPIC = {
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": "2100-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1.5s", 1.5),
        ("1h2m3s", 3723.0),
        ("2m59.56s", 179.56),
        ("7", 7.0),
        ("1d", 86400.0),
    ]
    + [("2026-01-01T00:01:30Z", 90.0), ("2025-12-31T00:00:00Z", 0.0), ("2026-01-01T01:00:30+01:00", 30.0)]
    + [(text, None) for text in ("", "soon", "5x", "6m 0s!", "-1s", "nan")],
)
def test_time_spans_are_read_as_providers_write_them(text, expected):
    assert seconds(text, today=datetime(2026, 1, 1, tzinfo=UTC)) == (
        expected if expected is None else pytest.approx(expected)
    )


def test_the_headers_of_openai_and_of_anthropic_are_read():
    assert read_limit(OPENAI, "requests") == Told(5000, 4999, 0.012)
    assert read_limit(OPENAI, "tokens") == pytest.approx((160_000, 159_976, 0.009))
    told = read_limit(ANTHROPIC, "requests")
    assert told is not None
    assert told[:2] == (50, 0)
    assert told.reset_s is not None
    assert read_limit(ANTHROPIC, "tokens") is None


@pytest.mark.parametrize("limit", ["", "none", "-5", "0", "inf", "nan", "10, 60;w=60"])
def test_a_limit_that_is_no_number_is_none(limit):
    assert read_limit({"x-ratelimit-limit-requests": limit}, "requests") is None


@pytest.mark.parametrize("rest", [{}, {"x-ratelimit-remaining-tokens": "many", "x-ratelimit-reset-tokens": "later"}])
def test_a_limit_without_a_readable_remainder_is_a_limit(rest):
    assert read_limit({"x-ratelimit-limit-tokens": "1000", **rest}, "tokens") == Told(1000, None, None)


def release(bucket: Bucket, amounts: list[float], gaps: list[float]) -> list[tuple[float, float]]:
    """Take each amount as soon as it may be taken, after a gap; what was taken when."""
    now, taken = 0.0, []
    for amount, gap in zip(amounts, gaps, strict=True):
        now += gap
        while wait := bucket.wait(amount, now):
            now += wait
        bucket.take(amount)
        taken.append((now, amount))
    return taken


STEPS = st.lists(
    st.tuples(st.floats(1, 5000), st.floats(0, 20, allow_subnormal=False) | st.just(0.0)), min_size=1, max_size=200
)


@given(STEPS, st.floats(1, 1e6), st.floats(0.1, 1))
def test_no_minute_sees_more_than_the_limit_and_a_small_burst(steps, limit, share):
    amounts, gaps = [step[0] for step in steps], [step[1] for step in steps]
    taken = release(Bucket(limit, share=share, now=0.0), amounts, gaps)
    most = share * limit * (0.99 + 1 / 60) + max(1.0, *amounts)
    for start, _ in taken:
        assert sum(amount for at, amount in taken if start <= at < start + 60) <= most * (1 + 1e-9)


@given(st.floats(10, 1e5), st.floats(1, 100))
def test_an_allowance_that_is_wanted_is_used(limit, amount):
    taken = release(Bucket(limit, share=1, now=0.0), [amount] * 200, [0.0] * 200)
    assert taken[-1][0] <= 60 / limit * 200 * amount / 0.99 + 1e-6


def test_what_turns_out_dearer_is_a_debt_and_what_turns_out_cheaper_is_given_back():
    bucket = Bucket(6000, share=1, now=0.0)  # 99 a second
    bucket.take(99)
    bucket.take(99)  # twice as dear
    assert bucket.wait(99, 0.0) == pytest.approx(2)
    bucket.take(-198)
    assert bucket.wait(99, 0.0) == 0


def test_a_user_s_limit_wins_over_a_header_s():
    bucket, now = Bucket(60, share=1, now=0.0), 0.0
    bucket.hear(Told(6000, 5000, 1.0), now, since=now, mark=0, amount=1)
    bucket.take(1)
    assert bucket.wait(1, now) == pytest.approx(1 / 0.99)


def test_a_limit_per_day_is_not_taken_for_one_per_minute():
    bucket = Bucket(None, share=1, now=0.0)
    bucket.hear(Told(200, 150, 6 * 3600.0), 0.0, since=0.0, mark=0, amount=1)
    bucket.take(1000)
    assert bucket.wait(1, 0.0) == 0


def test_a_remainder_that_runs_low_slows_the_pace_and_time_mends_it():
    bucket = Bucket(None, share=1, now=0.0)
    bucket.hear(Told(600, 600, 0.0), 0.0, since=0.0, mark=0, amount=1)
    bucket.take(100)
    usual = bucket.wait(1, 0.0)
    bucket.hear(Told(600, 20, 58.0), 0.0, since=0.0, mark=0, amount=1)
    assert bucket.wait(1, 0.0) == pytest.approx(10 * usual)
    assert bucket.short(0.0)
    assert not bucket.short(18.0)
