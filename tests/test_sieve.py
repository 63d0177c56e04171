"""Sieves: what is held back is counted once, whoever looks how often, and leaves examples behind."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from orca_core import Flag, Prompt, Query
from orca_core.sieve import SAMPLES, SAMPLES_PER_REASON, SIEVES, Sieve, write_sieves
from orca_core.store import Slot

PROMPTS = [Prompt(Query(f"question {number}", task=f"task {number % 2}", collection="c")) for number in range(20)]


def odd_out(prompts: Iterable[Prompt]) -> Iterator[tuple[Prompt, Flag | None]]:
    for prompt in prompts:
        number = int(prompt.query.text.split()[1])
        yield prompt, Flag("odd") if number % 2 else Flag("seven divides", drop=False) if number % 7 == 0 else None


def the_commoner_half(prompts: Iterable[Prompt]) -> Iterator[tuple[Prompt, Flag | None]]:
    total = sum(1 for _ in prompts)
    for place, prompt in enumerate(prompts):
        yield prompt, None if place < total / 2 else Flag("later half")


def test_a_sieve_that_looks_twice_counts_the_one_before_it_once(tmp_path: Path) -> None:
    first = Sieve("parity", odd_out, PROMPTS)
    second = Sieve("half", the_commoner_half, first)
    assert [prompt.query.text for prompt in second] == [f"question {number}" for number in range(0, 10, 2)]
    assert (first.before, first.kept, second.before, second.kept) == (20, 10, 10, 5)
    assert write_sieves(Slot(tmp_path), [first, second]) == {"parity: odd": 10, "half: later half": 5}


def test_flags_are_counted_by_task_and_leave_a_few_examples(tmp_path: Path) -> None:
    sieve = Sieve("parity", odd_out, PROMPTS)
    list(sieve)
    write_sieves(Slot(tmp_path), [sieve])
    (written,) = json.loads((tmp_path / SIEVES).read_text())["sieves"]
    assert (written["name"], written["before"], written["kept"]) == ("parity", 20, 10)
    found = {(f["reason"], f["dropped"], f["collection"], f["task"]): f["count"] for f in written["findings"]}
    assert found == {("odd", True, "c", "task 1"): 10, ("seven divides", False, "c", "task 0"): 2}
    rows = [json.loads(line) for line in (tmp_path / SAMPLES).read_text().splitlines()]
    assert [row["query"] for row in rows if row["dropped"]] == [f"question {n}" for n in (1, 3, 5, 7, 9)]
    assert sum(row["reason"] == "odd" for row in rows) == SAMPLES_PER_REASON
    assert [row["query"] for row in rows if not row["dropped"]] == ["question 0", "question 14"]
