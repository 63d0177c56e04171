"""Reading data files: what is read back, which line is told, and what a bad row costs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orca_core.errors import DataError
from orca_core.files import read_records

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)
ROWS = st.lists(st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT, max_size=2), max_size=3), min_size=1)


def read(path: Path) -> tuple[list[tuple[int, Any]], list[str]]:
    bad: list[DataError] = []
    return list(read_records(path, dict, bad.append)), [str(error).removeprefix(f"{path}") for error in bad]


@given(ROWS, st.sampled_from([None, 1]), st.sampled_from(["", "\ufeff", " \n"]))
def test_an_array_of_objects_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None, before: str
) -> None:
    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_text(before + json.dumps(rows, indent=indent), encoding="utf-8")
    assert [row for _, row in read(path)[0]] == rows


def test_a_long_array_is_read_in_pieces_with_the_lines_of_its_elements(tmp_path: Path) -> None:
    rows = [{"n": n, "text": "[{\u00e9\n" * (n % 50)} for n in range(20_000)]
    path = tmp_path / "a.json"
    path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]")
    assert path.stat().st_size > 4_000_000
    assert read(path) == ([(n + 2, row) for n, row in enumerate(rows)], [])


def test_the_elements_of_a_written_out_array_are_told_by_their_first_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n  {\n    "a": 1\n  },\n\n  {"a": 2},\n  3\n]\n')
    assert read(path) == ([(2, {"a": 1}), (6, {"a": 2})], [":7: each element must be a JSON object, not int"])


def test_an_array_that_breaks_off_gives_what_came_before_and_tells_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n {"a": 2},\n {"a"')
    records = read_records(path, dict)
    assert [next(records), next(records)] == [(1, {"a": 1}), (2, {"a": 2})]
    with pytest.raises(DataError, match=r"a\.json:3: malformed JSON"):
        next(records)


@given(st.lists(st.tuples(TEXT, TEXT).filter(any), min_size=1))
def test_a_csv_file_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("q", "a"), *rows])
    assert [tuple(row.values()) for _, row in read(path)[0]] == rows


def test_bad_lines_are_told_one_by_one_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        b"\xef\xbb\xbf" + b'{"a": 1}',
        b"",
        b"{",
        b"\xff",
        b'{"a": 2}',
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ]
    path.write_bytes(b"\n".join(lines))
    good, bad = read(path)
    assert good == [(1, {"a": 1}), (5, {"a": 2})]
    assert [text.split(":")[1] for text in bad] == ["3", "4", "6", "7"]


def test_a_quoted_field_that_is_not_closed_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('q,a\n1,"x\ny"\n"2,x\n3,x\n"4\n",x\n')
    good, bad = read(path)
    assert good == [(2, {"q": "1", "a": "x\ny"}), (5, {"q": "3", "a": "x"}), (6, {"q": "4\n", "a": "x"})]
    assert len(bad) == 1
    assert bad[0].startswith(":4: malformed CSV")


def test_a_csv_file_without_a_readable_header_cannot_be_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"q,a\n1,x\n')
    with pytest.raises(DataError, match=r"a\.csv:1: malformed CSV"):
        read(path)


def test_lines_up_to_the_limit_are_read_and_longer_ones_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    fits = '{"a": "' + "x" * (16_000_000 - 10) + '"}\n'
    path.write_text(fits + fits.replace("x", "xx", 1) + '{"a": ""}')
    good, bad = read(path)
    assert [line for line, _ in good] == [1, 3]
    assert bad == [":2: a line of 16,000,001 bytes; at most 16,000,000: is it one row?"]
