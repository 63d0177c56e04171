"""The compact set of ids behaves as a plain one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orca_core.seen import BLOCK, Seen, distinct

NUMBERS = st.one_of(st.integers(0, 20), st.integers(0, 2**64 - 1))


@given(st.lists(st.lists(NUMBERS, max_size=30), max_size=12))
def test_an_id_is_new_exactly_once_within_and_across_blocks(blocks: list[list[int]]) -> None:
    seen, plain = Seen(), set[int]()
    for block in blocks:
        expected = []
        for number in block:
            expected.append(number not in plain)
            plain.add(number)
        assert seen.add(block).tolist() == expected


def test_many_blocks_are_told_apart() -> None:
    seen = Seen()
    for start in range(0, 100_000, 1_000):
        assert seen.add(range(start, start + 1_000)).all()
    assert not seen.add(range(0, 100_000, 7)).any()


def test_the_first_of_equal_items_stays_in_place() -> None:
    items = [f"{number % (BLOCK + 10):016x}" for number in range(3 * BLOCK)]
    assert list(distinct(items, lambda item: item)) == items[: BLOCK + 10]
