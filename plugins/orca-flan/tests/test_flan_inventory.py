"""Inventories: what becomes of FLAN's counts, and what is told of a file that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_flan.config import FlanConfig
from orca_flan.inventory import Inventory, Shape, Task, read_inventory
from orca_flan.sampler import FlanSampler

from orca_core import Prompt
from orca_core.errors import DataError, UserError
from orca_core.testing import make_context

ZS = Shape(("zs",))
BOTH = ("zs_opt", "zs_noopt")
FLAN = """collection,task,zero_shot_queries
t0,imdb,30
flan2021,wsc,5
flan2021,bool_q,9220
dialog,wiki,7
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inventory.csv"


def test_template_types_are_tasks_of_their_own_or_make_a_task_larger(path: Path) -> None:
    path.write_text(FLAN)
    inventory = read_inventory(path, {"flan2021": Shape(BOTH, per_template=True), "t0": Shape(BOTH)})
    assert inventory.tasks == (
        Task("flan2021", "bool_q/zs_noopt", 9220),
        Task("flan2021", "bool_q/zs_opt", 9220),
        Task("flan2021", "wsc/zs_noopt", 5),
        Task("flan2021", "wsc/zs_opt", 5),
        Task("t0", "imdb", 60),
    )
    assert inventory.pool("flan2021") == (4, 18_450, 18_450)
    assert inventory.pool("flan2021", cap=100) == (4, 18_450, 210)


def test_collections_that_are_not_asked_for_are_passed_over(path: Path) -> None:
    path.write_text(FLAN)
    assert read_inventory(path, {"dialog": ZS}).tasks == (Task("dialog", "wiki", 7),)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6).filter(
    lambda name: name == name.strip()
)


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.tuples(st.sampled_from(["t0", 'größe, "x"']), NAMES), st.integers(0, 10**9), min_size=1))
def test_a_counted_inventory_is_read_back_as_it_was_written(tmp_path_factory, counts) -> None:
    collections = list(dict.fromkeys(collection for collection, _ in counts))
    inventory = Inventory.counted(counts, collections)
    path = tmp_path_factory.mktemp("inventory") / "inventory.csv"
    path.write_text(inventory.csv(), encoding="utf-8")
    assert read_inventory(path, dict.fromkeys(collections, ZS)).tasks == inventory.tasks
    assert {(task.collection, task.name): task.size for task in inventory.tasks} == counts


def test_counts_of_tasks_as_they_are_drawn_are_taken_as_they_are(path: Path) -> None:
    path.write_text("collection,task,queries\nflan2021,wsc/zs_opt,5\nt0,imdb,30\n")
    inventory = read_inventory(path, {"t0": Shape(BOTH), "flan2021": Shape(BOTH, per_template=True)})
    assert inventory.tasks == (Task("t0", "imdb", 30), Task("flan2021", "wsc/zs_opt", 5))


def test_jsonl_does_as_well(tmp_path: Path) -> None:
    path = tmp_path / "inventory.jsonl"
    path.write_text('{"collection": "t0", "task": "imdb", "zero_shot_queries": 30}\n')
    assert read_inventory(path, {"t0": ZS}).tasks == (Task("t0", "imdb", 30),)


@pytest.mark.parametrize(
    ("rows", "line", "told"),
    [
        ("t0,imdb,many\n", 2, "column 'zero_shot_queries' must be a whole number of queries, 0 or more, not 'many'"),
        ("t0,imdb,3\nt0,rte,-3\n", 3, "0 or more, not '-3'"),
        ("t0,imdb,3.5\n", 2, "0 or more, not '3.5'"),
        ("t0,imdb,٣\n", 2, "0 or more, not '٣'"),
        ("t0,imdb,\n", 2, "0 or more, not ''"),
        ("t0,,3\n", 2, "column 'task' must be a name, not ''"),
        ("t0,imdb,3\nt0,imdb,4\n", 3, "a second row for task 'imdb' of t0; keep one of them"),
        ("t0,imdb,3000000000\n", 2, "3,000,000,000 queries in a task; at most 2,147,483,647"),
        ("t0,imdb\n", 2, "3 columns in the header"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(path: Path, rows: str, line: int, told: str) -> None:
    path.write_text("collection,task,zero_shot_queries\n" + rows, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_inventory(path, {"t0": ZS})
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert told in str(caught.value)


def test_a_missing_column_is_named_with_those_there_are(path: Path) -> None:
    path.write_text("collection,task,size\nt0,imdb,3\n")
    with pytest.raises(
        DataError, match=r"inventory.csv:2: column 'zero_shot_queries' is missing; .* collection, task, size"
    ):
        read_inventory(path, {"t0": ZS})


def test_a_collection_that_is_asked_for_must_be_there(path: Path) -> None:
    path.write_text(FLAN)
    with pytest.raises(DataError, match="no rows of collection 'flan_2021'; did you mean 'flan2021'"):
        read_inventory(path, {"t0": ZS, "flan_2021": ZS})
    with pytest.raises(UserError, match="no tasks of collection 'niv2'; known: t0"):
        Inventory.counted({("t0", "imdb"): 3}, ["t0", "niv2"])


def test_a_task_without_the_template_type_that_makes_it_one_is_refused(path: Path) -> None:
    path.write_text("collection,task,queries\nflan2021,wsc/zs_opt,5\nflan2021,rte,5\n")
    with pytest.raises(DataError, match=r"inventory.csv:3: task 'rte' names no template type.*'rte/zs_opt'"):
        read_inventory(path, {"flan2021": Shape(BOTH, per_template=True)})


def test_a_file_that_is_not_there_is_named_with_its_neighbour(path: Path) -> None:
    path.write_text(FLAN)
    with pytest.raises(DataError, match=r"no such file; did you mean 'inventory\.csv'"):
        read_inventory(path.with_name("inventary.csv"), {"t0": ZS})


def test_what_was_counted_is_left_as_an_inventory_that_gives_the_same_draw(tmp_path: Path) -> None:
    rows = [{"query": f"{task} {i}", "task": task} for task, size in {"a": 30, "b, c": 5}.items() for i in range(size)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"kind": "files", "path": tmp_path / "rows.jsonl", "columns": {"query": "query", "task": "task"}}
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"

    def sample(cache: Path, **config: Any) -> list[Prompt]:
        checked = FlanConfig.model_validate({"collections": {"mine": {"source": source, "n": 12}}, **config})
        return list(FlanSampler(checked, make_context(cache)).sample())

    counted = sample(cache)
    (inventory,) = (cache / "flan").glob("inventory-*.csv")
    assert inventory.read_text() == 'collection,task,queries\nmine,a,30\nmine,"b, c",5\n'
    assert sample(elsewhere, inventory=inventory) == counted
    assert not list((elsewhere / "flan").glob("*inventory*"))
