"""Super-NaturalInstructions files, and any local file through a mapping of its columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from orca_flan.sources.base import Row
from orca_flan.sources.files import Files
from orca_flan.sources.niv2 import Niv2
from orca_flan.verifier import FlanVerifier
from pydantic import ValidationError

from orca_core.files import stop
from orca_core.verify import AnswerVerifier

TASK: dict[str, Any] = {
    "Contributors": ["somebody"],
    "Categories": ["Question Answering"],
    "Definition": ["Answer the question.\nA word is enough."],
    "Input_language": ["English"],
    "Output_language": ["English"],
    "Positive Examples": [{"input": "1 + 1?", "output": "2", "explanation": "Add."}],
    "Instances": [
        {
            "id": "task1-1",
            "input": 'A "quoted" word?\n\tWhich?',
            "output": ["Paris", "paris", "Paris, France", "Paris"],
        },
        {"id": "task1-2", "input": "Which? (A) x (B) y", "output": ["B"]},
        {"id": "task1-3", "input": "Say it.", "output": ["This is a sentence, and there are others as good."]},
    ],
}


def rows(source: Any) -> Iterator[Row]:
    for shard in source.shards():
        yield from source.read(shard, stop)


def mapped(path: Path, columns: Mapping[str, Any], **config: Any) -> list[Row]:
    return list(rows(Files.model_validate({"path": path, "columns": columns, **config}).open("mine")))


def write(path: Path, *values: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in values))
    return path


def test_a_task_file_gives_its_definition_with_each_input_and_every_output(tmp_path: Path) -> None:
    (tmp_path / "task002_b.json").write_text(json.dumps(TASK | {"Definition": "Older files have a text."}))
    (tmp_path / "task001_a.json").write_text(json.dumps(TASK, indent=2, ensure_ascii=False))
    (tmp_path / "README.json").write_text("{}")
    queries = [row.query for row in rows(Niv2(path=tmp_path).open("niv2"))]
    assert [query.task for query in queries] == ["task001_a"] * 3 + ["task002_b"] * 3
    first, second, third = queries[:3]
    assert first.text == 'Answer the question.\nA word is enough.\n\nA "quoted" word?\n\tWhich?'
    assert (first.collection, first.target) == ("niv2", "Paris")
    assert first.meta["targets"] == ["paris", "Paris, France"]
    assert first.meta["source"] == "task001_a.json"
    assert second.choices == ("x", "y")
    assert "verifier" not in second.meta
    assert [FlanVerifier().verify(first, f"The answer is {a}") for a in ("Paris, France", "Rome")] == [True, False]
    assert FlanVerifier().verify(third, "Something else.") is None
    assert queries[3].text.startswith("Older files have a text.\n\n")
    assert len(list(rows(Niv2(path=tmp_path / "task001_a.json").open("niv2")))) == 3


def test_columns_texts_and_constants_become_a_query(tmp_path: Path) -> None:
    row = {
        "context": "It {rains}.",
        "q": "Why?",
        "kind": "zs_opt",
        "answers": {"text": ["clouds", "heat", "clouds"], "n": [1, 2]},
        "opts": ["clouds", "sun"],
        "why": None,
        "sys": "Be kind.",
    }
    columns = {
        "query": "{context}\n{q}\nOptions:\n{opts}",
        "task": "=weather {x}",
        "target": "answers.text",
        "choices": "opts",
        "template": "kind",
        "explanation": "why",
        "system": "sys",
    }
    (got,) = mapped(write(tmp_path / "data.jsonl", row), columns)
    assert got.query.text == "It {rains}.\nWhy?\nOptions:\n(A) clouds\n(B) sun"
    assert got.query.task == "weather {x}"
    assert (got.query.target, got.query.meta["targets"]) == ("clouds", ["heat"])
    assert got.query.choices == ("clouds", "sun")
    assert got.query.meta["template"] == "zs_opt"
    assert "explanation" not in got.query.meta
    assert (got.query.collection, got.system) == ("mine", "Be kind.")


def test_the_least_mapping_takes_task_from_the_file_and_options_from_the_text(tmp_path: Path) -> None:
    write(tmp_path / "b_task.jsonl", {"q": "Which? (A) x (B) y", "a": "(B)"})
    write(tmp_path / "a_task.jsonl", {"q": "How many?", "a": 3}, {"q": "Who?", "a": None})
    (tmp_path / "notes.txt").write_text("not data")
    got = [row.query for row in mapped(tmp_path, {"query": "q", "target": "a"})]
    assert [(one.task, one.target, one.choices) for one in got] == [
        ("a_task", "3", ()),
        ("a_task", None, ()),
        ("b_task", "(B)", ("x", "y")),
    ]
    assert len(mapped(tmp_path, {"query": "q"}, pattern="b*.jsonl")) == 1


def test_the_gold_option_may_be_a_number_and_the_options_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "piqa.jsonl", {"goal": "Dry it.", "sol1": "Sun.", "sol2": "Rain.", "label": 0})
    columns = {"query": "{goal}\n(A) {sol1}\n(B) {sol2}", "choices": ["sol1", "sol2"], "target_index": "label"}
    (got,) = mapped(path, columns)
    assert (got.query.target, got.query.choices) == ("Sun.", ("Sun.", "Rain."))


def test_rows_are_chosen_by_the_values_of_columns(tmp_path: Path) -> None:
    kinds = [("zs_opt", 1), ("fs_opt", 1), ("zs_noopt", 2), ("zs_opt", 3)]
    path = write(tmp_path / "t.jsonl", *({"q": f"{kind} {n}?", "type": kind, "n": n} for kind, n in kinds))
    where = {"type": ["zs_opt", "zs_noopt"], "n": [1, 2]}
    assert [row.query.text for row in mapped(path, {"query": "q"}, where=where)] == ["zs_opt 1?", "zs_noopt 2?"]


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_every_kind_of_file_gives_the_same_queries(tmp_path: Path, kind: str) -> None:
    import pandas as pd

    table = pd.DataFrame({"q": ['Say "hi",\nthen go.', "Größe?"], "a": ["hi", "2"]})
    path = tmp_path / f"same.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_json(path, orient="records", lines=kind == "jsonl", force_ascii=False)
    got = [row.query for row in mapped(path, {"query": "q", "target": "a"})]
    assert [(one.text, one.target, one.task) for one in got] == [
        ('Say "hi",\nthen go.', "hi", "same"),
        ("Größe?", "2", "same"),
    ]


@pytest.mark.parametrize("spec", ["", "{", "{}", "{a} }", "{{a}}"])
def test_what_is_neither_column_nor_text_nor_constant_is_told(spec: str) -> None:
    with pytest.raises(ValidationError, match="neither a column"):
        Files.model_validate({"path": "x.jsonl", "columns": {"query": spec}})


def test_the_mapping_in_the_readme_is_accepted_and_reads_a_row_of_that_kind(tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\nsource:\n(.*?)```", readme, re.DOTALL)
    config = yaml.safe_load(block)
    row = {
        "question": "What melts?",
        "choices": {"text": ["ice", "stone"], "label": ["A", "B"]},
        "answerKey": "A",
        "template_type": "zs_opt",
        "rationale": "Ice is frozen water.",
        "system_prompt": "",
    }
    write(tmp_path / "arc_train.jsonl", row, row | {"template_type": "fs_opt"})
    (got,) = rows(Files.model_validate(config | {"path": tmp_path}).open("mine"))
    assert got.query.text == "What melts?\n\nOptions:\n(A) ice\n(B) stone"
    assert AnswerVerifier().verify(got.query, "The answer is ice.") is True


def test_needed_columns_are_known_beforehand() -> None:
    columns = {"query": "{a} {b.c}", "task": "t", "choices": ["x", "y"], "template": "=zs", "target": "b.d"}
    config = Files.model_validate({"path": "x", "columns": columns, "where": {"kind": ["k"]}})
    assert config.needed() == ["a", "b", "kind", "t", "x", "y"]
    assert config.needed(texts=False) == ["kind", "t"]


def test_the_real_examples_keep_their_targets_and_explanations(shared: Path) -> None:
    path = shared / "niv2_examples.jsonl"
    columns = {
        "query": "{definition}\n\n{input}",
        "task": "task",
        "target": "output",
        "explanation": "explanation",
        "template": "=zs",
    }
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    got = mapped(path.resolve(), columns)
    assert len(got) == len(records) == 1654
    reached = 0
    for row, record in zip(got, records, strict=True):
        query = row.query
        assert (query.task, query.target) == (record["task"], record["output"])
        assert query.text == f"{record['definition']}\n\n{record['input']}"
        assert query.meta["explanation"] == record["explanation"]
        verifier = FlanVerifier() if "verifier" in query.meta else AnswerVerifier()
        reached += verifier.verify(query, record["output"]) is True
    assert reached == 1654
    assert sum(row.query.multiple_choice for row in got) == 136
