"""Questions and answers from files: the paper's sets, and what is wrong with others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from orca_judge.answers import ANSWERS
from orca_judge.config import HubSet
from orca_judge.questions import read_hub, read_path

from orca_core import DataError, Prompt, Query, UserError
from orca_core.testing import build, check_responder, make_context


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_the_papers_sets_are_read_whole(shared: Path) -> None:
    queries = list(read_path(shared / "open_ended", None))
    assert Counter(query.task for query in queries) == {"vicuna": 80, "wizardlm": 218}
    first, last = queries[0], queries[-1]
    assert (first.text, first.meta) == (
        "How can I improve my time management skills?",
        {"id": "1", "category": "generic"},
    )
    assert last.meta == {"id": "218", "category": "Philosophy"}
    assert Counter(query.task for query in read_path(shared / "open_ended", 5)) == {"vicuna": 5, "wizardlm": 5}


@pytest.mark.parametrize(
    ("row", "text", "number"),
    [
        ({"question_id": 4, "text": "Why?", "category": "generic"}, "Why?", "4"),
        ({"idx": 4, "Skill": "Math", "Difficulty": 1, "Instruction": "Why?"}, "Why?", "4"),
        ({"act": "Poet", "prompt": "Why?"}, "Why?", "Poet"),
        ({"question": "Why?"}, "Why?", ""),
    ],
)
def test_rows_come_in_the_form_of_every_set(tmp_path: Path, row: Any, text: str, number: str) -> None:
    (query,) = read_path(write(tmp_path / "awesome_prompts.jsonl", row), None)
    assert (query.task, query.text, query.meta["id"]) == ("awesome", text, number)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"turns": ["a"]}, {"id": 2}], r"own\.jsonl:2: column 'question' is missing"),
        ([{"turns": ["a", "b"]}], r"own\.jsonl:1: turns should be a list of one question"),
        ([{"turns": []}], r"own\.jsonl:1: turns should be"),
        ([{"prompt": " "}], r"own\.jsonl:1: the question should be a text, and not empty"),
        ([{"prompt": 7}], r"own\.jsonl:1: the question should be a text"),
        ([{"prompt": "a", "id": 1}, {"prompt": "b", "id": 1}], r"own\.jsonl:2: id '1' is that of line 1 too"),
        ([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}], r"own\.jsonl:3: question 'a' is that of line 1 too"),
        ([{"prompt": "a"}, "{not json"], r"own\.jsonl:2: "),
        ([], r"own\.jsonl: the file has no rows"),
    ],
)
def test_bad_questions_are_told_by_file_and_line(tmp_path: Path, rows: list[Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        list(read_path(write(tmp_path / "own.jsonl", *rows), None))


def test_wrong_encodings_missing_files_and_two_files_of_a_set_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.jsonl").write_bytes('{"prompt": "caf\xe9"}\n'.encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.jsonl:1: .*UTF-8"):
        list(read_path(tmp_path / "latin.jsonl", None))
    with pytest.raises(DataError, match=r"latn\.jsonl: no such file; did you mean 'latin\.jsonl'"):
        list(read_path(tmp_path / "latn.jsonl", None))
    write(tmp_path / "two/vicuna_a.jsonl", {"prompt": "a"})
    write(tmp_path / "two/vicuna_b.jsonl", {"prompt": "b"})
    with pytest.raises(DataError, match=r"vicuna_b\.jsonl: holds set 'vicuna' by its name, as vicuna_a\.jsonl does"):
        list(read_path(tmp_path / "two", None))
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no file in this folder ends in"):
        list(read_path(tmp_path / "none", None))


def asked(path: Path, *queries: Query) -> list[str]:
    teacher = build(ANSWERS, make_context(path.parent), path=path)
    return [trace.text for trace in teacher.respond(Prompt(query) for query in queries)]


def query(text: str, number: int | str = "", task: str = "vicuna") -> Query:
    return Query(text, task, meta={"id": str(number)})


@pytest.mark.parametrize(
    "row",
    [
        {"question_id": 3, "text": "So.", "model_id": "m"},
        {"question_id": 3, "choices": [{"index": 0, "turns": ["So."]}]},
        {"question": "Why?", "answer": "So."},
        {"Instruction": "Why?", "output": "So."},
    ],
)
def test_answers_are_found_by_id_or_by_the_question(tmp_path: Path, row: Any) -> None:
    assert asked(write(tmp_path / "vicuna_chatgpt.jsonl", row), query("Why?", 3)) == ["So."]


def test_ids_belong_to_the_set_that_a_file_is_named_after(tmp_path: Path) -> None:
    write(tmp_path / "a/vicuna.jsonl", {"question_id": 1, "text": "of vicuna"})
    write(tmp_path / "a/wizardlm.jsonl", {"idx": 1, "output": "of wizardlm"})
    both = query("x", 1), query("y", 1, "wizardlm")
    assert asked(tmp_path / "a", *both) == ["of vicuna", "of wizardlm"]
    unnamed = write(tmp_path / "gpt35.jsonl", {"question_id": 1, "text": "of whom?"})
    assert asked(unnamed, both[0]) == ["of whom?"]
    with pytest.raises(UserError, match=r"gives ids, and questions of 2 sets have such \(vicuna, wizardlm\)"):
        asked(unnamed, *both)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"question_id": 1}], r"a\.jsonl:1: column 'answer' is missing"),
        ([{"answer": "x"}], r"a\.jsonl:1: column 'question_id' is missing"),
        ([{"id": 1, "answer": 5}], r"a\.jsonl:1: the answer should be a text"),
        ([{"id": 1, "choices": [{"turns": ["a", "b"]}]}], r"a\.jsonl:1: choices should be one choice with one turn"),
        (
            [{"id": 1, "answer": "a"}, {"id": 1, "answer": "b"}],
            r"a\.jsonl:2: a second answer to the question of line 1",
        ),
    ],
)
def test_bad_answers_are_told_by_file_and_line(tmp_path: Path, rows: list[Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        asked(write(tmp_path / "a.jsonl", *rows), query("Why?", 1))


def test_a_question_without_an_answer_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "vicuna.jsonl", {"question_id": 1, "text": "So."})
    with pytest.raises(UserError, match=r"no answer to this question of set 'vicuna': 'How\?' \(id 2\)"):
        asked(path, query("How?", 2))


def test_the_teacher_of_answers_keeps_its_contract(tmp_path: Path) -> None:
    rows = [{"question": f"Why {i}?", "answer": f"So {i}."} for i in range(5)]
    teacher = build(ANSWERS, make_context(tmp_path), path=write(tmp_path / "a.jsonl", *rows), model="somebody")
    traces = check_responder(teacher, [Prompt(query(f"Why {i}?")) for i in range(5)])
    assert {trace.model for trace in traces} == {"somebody"}


def test_a_set_of_the_hub_is_read_as_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands for a data set of the Hub, as ``datasets`` has it."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"act": f"Poet {i}", "prompt": f"Write {i}."} for i in range(4)]
    write(tmp_path / "good/train.jsonl", *rows)
    found = list(read_hub("awesome", HubSet(dataset=str(tmp_path / "good")), 3))
    assert [(q.task, q.text, q.meta["id"]) for q in found] == [
        ("awesome", f"Write {i}.", f"Poet {i}") for i in range(3)
    ]
    write(tmp_path / "bad/train.jsonl", rows[0], rows[1] | {"prompt": " "})
    with pytest.raises(DataError, match=r"bad/train:2: the question should be a text"):
        list(read_hub("awesome", HubSet(dataset=str(tmp_path / "bad")), None))
    with pytest.raises(UserError, match=r"data set '.*nowhere': .*is the name right"):
        list(read_hub("awesome", HubSet(dataset=str(tmp_path / "nowhere")), None))
