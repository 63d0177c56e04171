"""Files that cannot be used: every error names the file, the line and what is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from orca_core.errors import DataError

sys.path.insert(0, str(Path(__file__).parent))
from bench_data import AGIEVAL, BBH, FIRST_TASK, ROWS, evaluator, write_bbh, write_lines


def asked(suite: str, path: Path, *tasks: str) -> int:
    return len(list(evaluator(suite, path=path, tasks=tasks, protocols=("robust",)).prompts()))


DATES = BBH["date_understanding"]
QUESTION = "Which?\nOptions:\n(A) x\n(B) y"


@pytest.mark.parametrize(
    ("task", "second", "complaint"),
    [
        ("date_understanding", {"input": QUESTION}, 'needs "target", a text'),
        ("date_understanding", {"input": QUESTION, "target": ""}, 'needs "target", a text'),
        ("date_understanding", {"input": QUESTION, "targets": "(A)"}, "did you mean 'targets'"),
        ("date_understanding", {"inputs": QUESTION, "target": "(A)"}, "needs \"input\", a text; did you mean 'inputs'"),
        (
            "date_understanding",
            {"input": QUESTION, "target": "(C)"},
            r"the target '\(C\)' is none of the options \(A\), \(B\)",
        ),
        ("date_understanding", {"input": QUESTION, "target": "x"}, "the target 'x' is none of the options"),
        ("date_understanding", {"input": "Which?", "target": "(A)"}, 'found labels ""'),
        ("date_understanding", {"input": "W?\nOptions:\n(A) x\n(C) y", "target": "(A)"}, 'in order; found labels "AC"'),
        ("date_understanding", {"input": "W?\nOptions:\n(A) x\nand y", "target": "(A)"}, r'found labels "A\?"'),
        ("date_understanding", DATES[0], "repeats the item of line 4"),
        ("date_understanding", "(A)", r'an item is a JSON object, not "\(A\)"'),
        (
            "navigate",
            {"input": "Do you?\nOptions:\n- Yes\n- Maybe", "target": "Yes"},
            r"its options are \['- Yes', '- Maybe'\]",
        ),
        ("navigate", {"input": "Do you?\nOptions:\n- Yes\n- No", "target": "Maybe"}, r"is no answer .* \(Yes or No\)"),
        ("object_counting", {"input": "How many?", "target": "three"}, r"'three' is no answer .* \(number\)"),
        ("dyck_languages", {"input": "Close.", "target": "bracket"}, r"'bracket' is no answer .* \(brackets\)"),
    ],
)
def test_a_bad_example_of_bbh_is_told_by_file_and_line(tmp_path: Path, task: str, second: Any, complaint: str) -> None:
    path = write_bbh(tmp_path / "bbh", {task: [BBH[task][0], second]})
    lines = (path / f"{task}.json").read_text(encoding="utf-8").splitlines()
    with pytest.raises(DataError, match=complaint) as told:
        asked("bbh", path, task)
    assert told.value.line == 8
    assert lines[7].strip()[0] in '{"'
    assert str(told.value).startswith(f"{path / task}.json:8: ")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": None}, 'needs "label", a text'),
        ({"label": "E"}, "the label 'E' is none of the 4 options"),
        ({"label": "AB"}, "the label 'AB' is none of the 4 options"),
        ({"options": ["(A)2", "(B)3", "(D)5"]}, "its 3 options are lettered A, B, D"),
        ({"options": ["(A)2", "(A)3"]}, "two of its options are lettered A"),
        ({"options": []}, 'needs "options", a list of texts'),
        ({"options": "(A)2 (B)3"}, 'needs "options", a list of texts'),
        ({"options": ["(A)2", 3]}, 'needs "options", a list of texts'),
        ({"question": ""}, 'needs "question", a text'),
        ({"passage": 3}, '"passage" is a text or null'),
        ({"question": "What is 1 + 1?", "passage": None}, "repeats the item of line 1"),
    ],
)
def test_a_bad_row_of_agieval_is_told_by_file_and_line(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    first, second = AGIEVAL["sat-math"]
    path = write_lines(tmp_path / "a", {"sat-math": [first, second | change]})
    with pytest.raises(DataError, match=rf"sat-math\.jsonl:2: .*{complaint}"):
        asked("agieval", path, "sat-math")


@pytest.mark.parametrize(
    ("gold", "query", "complaint"),
    [
        ([4], "Q: x? Answer Choices: (A)2", r'"gold" is a list of one index of its 2 choices, not \[4\]'),
        ([], "Q: x? Answer Choices: (A)2", '"gold" is a list of one index'),
        ([0], "x?", '"query" reads'),
    ],
)
def test_a_bad_row_of_the_hubs_agieval_is_told(tmp_path: Path, gold: list[int], query: str, complaint: str) -> None:
    row = {"query": query, "choices": ["(A)2", "(B)3"], "gold": gold}
    path = write_lines(tmp_path / "a", {"sat-math": [row]})
    with pytest.raises(DataError, match=rf"sat-math\.jsonl:1: {complaint}"):
        asked("agieval", path, "sat-math")


@pytest.mark.parametrize(
    ("suite", "change", "complaint"),
    [
        ("mmlu", {"answer": 4}, "the answer 4 is none of its 4 options"),
        ("mmlu", {"answer": None}, "the answer None is none of its 4 options"),
        ("arc", {"answerKey": "C"}, "the answerKey 'C' is none of the labels 1, 2"),
        ("arc", {"choices": {"text": ["fire"], "label": ["1", "2"]}}, "1 option texts, but 2 labels"),
        ("arc", {"choices": ["fire"]}, 'needs "choices": {"text"'),
        ("hellaswag", {"label": ""}, "the answer '' is none of its 3 options"),
        ("race", {"answer": "C"}, "the answer 'C' is none of its 2 options"),
        ("race", {"article": None}, 'needs "article", a text'),
        (
            "truthfulqa",
            {"mc1_targets": {"choices": ["x", "y"], "labels": [1, 1]}},
            r"2 choices need as many labels, one of them 1; found \[1, 1\]",
        ),
        ("truthfulqa", {"mc1_targets": None}, 'needs "mc1_targets"'),
        ("gsm8k", {"answer": "It is four."}, '"answer" has to end in "#### " and a number'),
        ("drop", {"answer": None, "validated_answers": None}, "has no answer"),
    ],
)
def test_a_bad_row_of_any_other_benchmark_is_told(
    tmp_path: Path, suite: str, change: dict[str, Any], complaint: str
) -> None:
    task = FIRST_TASK.get(suite, suite)
    path = write_lines(tmp_path / "x", {task: [ROWS[suite] | change]})
    with pytest.raises(DataError, match=rf"{task}\.jsonl:1: {complaint}"):
        asked(suite, path, task)


def test_an_id_that_occurs_twice_is_told(tmp_path: Path) -> None:
    rows = [ROWS["arc"], ROWS["arc"] | {"question": "What is dry?"}]
    path = write_lines(tmp_path / "x", {"ARC-Easy": rows})
    with pytest.raises(DataError, match=r"ARC-Easy\.jsonl:2: repeats the item of line 1"):
        asked("arc", path, "ARC-Easy")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"examples": [\n{"input": "x",, }]}', ":2: not JSON"),
        (b'{"examples": {}}', 'is neither a list of items nor {"examples"'),
        (b'{"examples": []}', "holds no items"),
        (b'{"examples": [\n{"input": "caf\xe9", "target": "Yes"}]}', ":2: not UTF-8 text: byte 29; save it as UTF-8"),
        ("{}".encode("utf-16"), ":1: not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_told(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "navigate.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"navigate.json{'.*' if complaint[0] != ':' else ''}{complaint}"):
        asked("bbh", tmp_path, "navigate")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    content = json.dumps({"examples": BBH["navigate"]}).encode("utf-8-sig")
    (tmp_path / "navigate.json").write_bytes(content)
    assert asked("bbh", tmp_path, "navigate") == 3


def test_missing_files_are_told_with_the_nearest_name(tmp_path: Path) -> None:
    path = write_bbh(tmp_path / "bbh")
    with pytest.raises(DataError, match=r"nowhere: no such file or directory"):
        asked("bbh", tmp_path / "nowhere", "navigate")
    with pytest.raises(DataError, match=r"bbh: has no web_of_lies\.json"):
        asked("bbh", path, "web_of_lies")
    (path / "navigate.json").rename(path / "navigat.json")
    with pytest.raises(DataError, match=r"has no navigate.*did you mean 'navigat'"):
        asked("bbh", path, "navigate")
    with pytest.raises(DataError, match=r"navigat\.json: the file's name tells its task.*did you mean 'navigate'"):
        asked("bbh", path / "navigat.json", "navigate")


def test_one_file_and_other_formats_are_read_as_well(tmp_path: Path) -> None:
    path = write_bbh(tmp_path / "bbh")
    assert asked("bbh", path / "navigate.json", "all") == 3
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(BBH["navigate"]), tmp_path / "navigate.parquet")
    assert asked("bbh", tmp_path / "navigate.parquet", "navigate") == 3
    (tmp_path / "snarks.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(DataError, match=r"snarks\.parquet: not a Parquet file"):
        asked("bbh", tmp_path, "snarks")
    (tmp_path / "gsm8k.csv").write_text('question,answer\n"Two and two?","Four.\n#### 4"\n', encoding="utf-8")
    assert asked("gsm8k", tmp_path / "gsm8k.csv", "gsm8k") == 1
