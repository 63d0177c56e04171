"""What a source does about files that are broken: it tells which line of which file, or goes on without it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from orca_flan.sources.cot import Cot
from orca_flan.sources.files import Files
from orca_flan.sources.niv2 import Niv2

from orca_core.errors import DataError
from orca_core.files import stop

COLUMNS = {"query": "q", "target": "a"}
GOOD = '{"q": "Why?", "a": "So."}\n'


def source(path: Path, **config: Any) -> Any:
    if path.suffix == ".tsv":
        return Cot(path=path, inversions=False).open("cot")
    if path.name.startswith("task"):
        return Niv2(path=path).open("niv2")
    return Files.model_validate({"path": path, "columns": COLUMNS, **config}).open("mine")


def skipped(path: Path, **config: Any) -> tuple[int, list[str]]:
    """How many rows are read, and what is told of the others."""
    bad: list[DataError] = []
    reader = source(path, **config)
    return sum(1 for shard in reader.shards() for _ in reader.read(shard, bad.append)), [str(error) for error in bad]


def stopped(path: Path, **config: Any) -> str:
    reader = source(path, **config)
    with pytest.raises(DataError) as caught:
        [row for shard in reader.shards() for row in reader.read(shard, stop)]
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "line", "what", "good"),
    [
        ("gsm8k.tsv", b"Q\tA\tE\nQ\tA\nQ\tA\tE\n", 2, "2 tab-separated fields, not 3", 2),
        ("gsm8k.tsv", b"Q\tA\tE\tE\n", 1, "4 tab-separated fields, not 3", 0),
        ("gsm8k.tsv", b"Q\tA\tE\n\nQ\tA\tE\n", 2, "1 tab-separated fields, not 3", 2),
        ("gsm8k.tsv", b"Q\tA\tE\nQ\tA\xff\tE\n", 2, "not UTF-8 text (invalid start byte at byte 3 of the line)", 1),
        ("gsm8k.tsv", b"Q\tA\tE\nQ\0\tA\tE\n", 2, "the query holds a NUL character", 1),
        ("gsm8k.tsv", b"Q\tA\tE\r\n", 1, "a carriage return; convert", 0),
        ("gsm8k.tsv", b" \tA\tE\n", 1, "the query is empty", 0),
        ("gsm8k.tsv", b"Q\t\tE\n", 1, "the target is empty", 0),
        ("t.jsonl", GOOD.encode() + b'{"q": "Why?"}\n', 2, "column 'a' is missing; this row has: q", 1),
        (
            "t.jsonl",
            b'{"q": "Why?", "aa": 1}\n',
            1,
            "column 'a' is missing; did you mean 'aa'?; this row has: q, aa",
            0,
        ),
        ("t.jsonl", b'{"q": 7, "a": "7"}\n', 1, "column 'q' must be text, not int", 0),
        ("t.jsonl", b'{"q": "Why?", "a": {"b": 1}}\n', 1, "column 'a' must be text or a number, not dict", 0),
        ("t.jsonl", b'{"q": "W\\u0000", "a": "7"}\n', 1, "the query holds a NUL character", 0),
        ("t.jsonl", b'{"q": "W", "a": ["x", "y\\u0000"]}\n', 1, "the other target 1 holds a NUL character", 0),
        ("t.jsonl", b'{"q": "W\\ud800", "a": "7"}\n', 1, "the query holds half of a surrogate pair", 0),
        ("t.jsonl", GOOD.encode() + b'{"q": "Wh', 2, "(in the last line: the file may have been cut off)", 1),
        ("t.jsonl", b"\n\n" + GOOD.encode() + b"[1]\n", 4, "each line must be a JSON object, not list", 1),
        ("t.json", b'[{"q": "Why?", "a": "So."},\n 3]', 2, "each element must be a JSON object, not int", 1),
        ("t.csv", b'q,a\nWhy?,So.\n"How?,So\nWho?,I\n', 3, "malformed CSV", 2),
        ("t.csv", b"q,a\nWhy?,So.\nHow?\n", 3, "2 columns in the header, 1 here", 1),
        ("t.csv", b"q,a\nWhy?,So.\nHow\0?,x\n", 3, "NUL", 1),
    ],
)
def test_a_bad_row_is_told_with_file_and_line_or_skipped(
    tmp_path: Path, name: str, content: bytes, line: int, what: str, good: int
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert stopped(path).startswith(f"{path}:{line}: ")
    assert what in stopped(path)
    assert skipped(path) == (good, [stopped(path)])


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("t.parquet", b"PAR1 and nothing more", "not a readable Parquet file"),
        ("t.json", b'[{"q": "Why?", "a": "So."},\n{"q": "W', ":2: malformed JSON"),
        ("t.csv", b'"q,a\n', ":1: malformed CSV"),
        ("t.jsonl", "\ufeffq".encode("utf-16"), "UTF-16"),
        ("task1.json", b'{"Definition": "d", "Instances": [', ":1: malformed JSON"),
        ("task1.json", b'{"Definitions": "d", "Instances": []}', "without 'Definition'; did you mean 'Definitions'?"),
        ("task1.json", b'{"Definition": [""], "Instances": []}', "'Definition' must be a text"),
        ("task1.json", b'{"Definition": "d", "Instances": {}}', "'Instances' must be a list, not dict"),
        ("task1.json", b"[]", "a task must be a JSON object"),
    ],
)
def test_a_file_that_cannot_be_followed_stops_even_where_bad_rows_are_skipped(
    tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        skipped(path)
    assert str(path) in str(caught.value)
    assert what in str(caught.value)


def test_a_bad_instance_of_a_task_is_told_by_its_number(tmp_path: Path) -> None:
    outputs: list[Any] = [["x"], [], "x", [1], ["x", None], [""]]
    task = {"Definition": ["d"], "Instances": [{"input": "i", "output": output} for output in outputs] + [{}, 7]}
    (tmp_path / "task1.json").write_text(json.dumps(task))
    good, told = skipped(tmp_path / "task1.json")
    assert good == 1
    assert [int(text.split(":")[1]) for text in told] == [2, 3, 4, 5, 6, 7, 8]


def test_a_file_without_rows_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("")
    (tmp_path / "gsm8k.tsv").write_text("")
    assert "the file has no rows" in stopped(tmp_path / "t.jsonl")
    assert "the file has no rows" in stopped(tmp_path / "gsm8k.tsv")
    (tmp_path / "task1.json").write_text('{"Definition": "d", "Instances": []}')
    assert "the task has no instances" in stopped(tmp_path / "task1.json")
    assert len(skipped(tmp_path / "task1.json")[1]) == 1


def test_a_text_beyond_the_limit_is_no_question(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"q": "x" * 1_000_001, "a": "y"}) + "\n" + GOOD)
    assert "the query has 1,000,001 characters; at most 1,000,000" in stopped(path)
    assert skipped(path)[0] == 1


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv", "gsm8k.tsv"])
def test_a_line_of_50_megabytes_is_refused_without_being_held(tmp_path: Path, name: str) -> None:
    path, rows = tmp_path / name, {"t.jsonl": GOOD, "t.csv": "Why?,So.\n", "gsm8k.tsv": "Q\tA\tE\n"}
    with path.open("w") as file:
        file.write("q,a\n" if name == "t.csv" else "")
        file.write(rows[name] * 2)
        file.writelines("x" * 1_000_000 for _ in range(50))
        file.write("\n" + rows[name])
    tracemalloc.start()
    good, told = skipped(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert good == 3
    assert "bytes; at most 16,000,000: is it one row?" in told[0]
    assert "a line of 50,000,0" in told[0]
    assert len(told) == 1
    assert peak < 50_000_000


def test_a_quote_that_never_closes_costs_its_line_and_no_other(tmp_path: Path) -> None:
    lines = ["q,a", *(f'"Question {n}?",x' for n in range(20_000))]
    lines[500] = '"Question 499?,x'
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    good, told = skipped(path)
    assert (good, len(told)) == (19_999, 1)
    assert told[0].startswith(f"{path}:501: malformed CSV")


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("dta/t.jsonl", "no such file or directory"),
        ("data/tt.jsonl", "no such file or directory; did you mean 't.jsonl'?"),
        ("empty", "no file in this directory is called **/*"),
        ("other", "no data file; known kinds: .jsonl"),
    ],
)
def test_a_path_with_nothing_to_read_is_told(tmp_path: Path, path: str, what: str) -> None:
    for name in ("data/t.jsonl", "other/a.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(GOOD)
    (tmp_path / "empty").mkdir()
    assert what in stopped(tmp_path / path)


def test_a_pattern_out_of_the_directory_is_told(tmp_path: Path) -> None:
    assert "is no pattern of files below it" in stopped(tmp_path, pattern="/etc/*")
