"""The sampler ``flan`` on small files: what is drawn, kept, counted and said when something is wrong."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orca_flan.config import FlanConfig
from orca_flan.draw import Quota, draw
from orca_flan.inventory import Inventory
from orca_flan.sampler import FlanSampler
from orca_flan.sources.base import Bad, Row, Source

from orca_core import plugins as plugin_loading
from orca_core.component import Context
from orca_core.errors import DataError, UserError
from orca_core.parts import resolve
from orca_core.records import Prompt
from orca_core.tables import prompt_row

COLUMNS = {"query": "q", "target": "a", "task": "task", "template": "template", "system": "system"}
Sizes = Mapping[str, int]


def row(task: str, number: int, **more: Any) -> dict[str, Any]:
    base = {"q": f"{task} {number}?", "a": f"{number}", "task": task, "template": "zs_opt", "system": "own"}
    return base | more


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def shards(folder: Path, sizes: Sizes, count: int = 3) -> Path:
    """Files among which the tasks' rows are dealt out, so that every task is in every file."""
    rows = [row(task, number) for task, size in sizes.items() for number in range(size)]
    for number in range(min(count, len(rows))):
        write(folder / f"part-{number}.jsonl", rows[number::count])
    return folder


def files(path: Path, **more: Any) -> dict[str, Any]:
    return {"source": {"kind": "files", "path": path, "columns": COLUMNS}} | more


def sampler(cache: Path, collections: Mapping[str, Any], seed: int = 3, **config: Any) -> FlanSampler:
    checked = FlanConfig.model_validate({"collections": collections, **config})
    return FlanSampler(checked, Context(seed=seed, cache=cache, make=lambda kind, node: None))


def rows_of(prompts: list[Prompt]) -> list[dict[str, Any]]:
    return [prompt_row(prompt) for prompt in prompts]


def by_task(prompts: list[Prompt]) -> Counter[str]:
    return Counter(f"{prompt.query.collection}/{prompt.query.task}" for prompt in prompts)


@pytest.fixture
def pool(tmp_path: Path) -> dict[str, Any]:
    """Two collections: one with a cap, one drawn by Algorithm 1 with a task that is smaller than its share."""
    return {
        "niv2": files(shards(tmp_path / "niv2", {"large": 50, "small": 7}), cap=20),
        "t0": files(shards(tmp_path / "t0", {"a": 100, "b": 100, "tiny": 5}), n=60),
    }


def test_every_collection_is_drawn_by_its_own_rule(tmp_path: Path, pool: dict[str, Any]) -> None:
    drawing = sampler(tmp_path, pool)
    prompts = list(drawing.sample())
    counts = by_task(prompts)
    assert counts["niv2/large"] == 20
    assert counts["niv2/small"] == 7
    assert counts["t0/tiny"] == 5
    assert counts["t0/a"] + counts["t0/b"] == 55
    assert len({prompt.id for prompt in prompts}) == len(prompts) == 87
    zeros = {"missing": 0, "skipped": 0, "unlisted": 0, "multiple_choice": 0}
    assert drawing.pools() == {
        "niv2": {"pool": 57, "tasks": 2, "wanted": 27, "taken": 27, "exhausted": 1} | zeros,
        "t0": {"pool": 205, "tasks": 3, "wanted": 60, "taken": 60, "exhausted": 1} | zeros,
    }


def test_queries_keep_target_template_and_file(tmp_path: Path, pool: dict[str, Any]) -> None:
    for prompt in sampler(tmp_path, pool).sample():
        query = prompt.query
        assert query.text == f"{query.task} {query.target}?"
        assert query.meta["template"] == "zs_opt"
        assert query.meta["source"].startswith("part-")


def test_collections_are_mixed(tmp_path: Path, pool: dict[str, Any]) -> None:
    places = [
        place for place, prompt in enumerate(sampler(tmp_path, pool).sample()) if prompt.query.collection == "niv2"
    ]
    assert 26 < sum(places) / len(places) < 60  # 43 on average, 4.0 standard deviations to either side
    assert places != list(range(27))


def test_another_seed_is_another_draw_and_the_same_seed_the_same(tmp_path: Path, pool: dict[str, Any]) -> None:
    first, again, other = (
        rows_of(list(sampler(tmp_path / str(n), pool, seed).sample())) for n, seed in enumerate((3, 3, 4))
    )
    assert first == again
    assert first != other


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 12), min_size=1),
    n=st.none() | st.integers(1, 30),
    cap=st.none() | st.integers(1, 9),
    count=st.integers(1, 4),
)
def test_what_is_fetched_is_what_was_drawn_in_its_order(
    tmp_path: Path, sizes: Sizes, n: int | None, cap: int | None, count: int
) -> None:
    shutil.rmtree(tmp_path / "x", ignore_errors=True)
    folder = shards(tmp_path / "x", sizes, count)
    lines = [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]
    numbered = {task: [line["q"] for line in lines if line["task"] == task] for task in sizes}
    inventory = Inventory.counted({("x", task): size for task, size in sizes.items()}, ["x"])
    drawn = draw(inventory, {"x": Quota(n, cap)}, 3)
    expected = [numbered[inventory.tasks[t].name][i] for t, i in zip(drawn.task, drawn.index, strict=True)]
    prompts = list(sampler(tmp_path / "cache", {"x": files(folder, n=n, cap=cap)}).sample())
    assert [prompt.query.text for prompt in prompts] == expected


def test_the_order_in_which_shards_are_listed_does_not_matter(
    tmp_path: Path, pool: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = rows_of(list(sampler(tmp_path / "1", pool).sample()))
    listed = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: reversed(list(listed(self, pattern))))
    assert rows_of(list(sampler(tmp_path / "2", pool).sample())) == straight


class Wrapped:
    """A source that tells what it reads, and can be made to fail."""

    def __init__(self, inner: Source, each: Callable[[str, int], None]) -> None:
        self.inner, self.each = inner, each

    def shards(self) -> Any:
        return self.inner.shards()

    def read(self, shard: str, bad: Bad) -> Iterator[Row]:
        for number, one in enumerate(self.inner.read(shard, bad)):
            self.each(shard, number)
            yield one


def test_a_broken_fetch_goes_on_with_the_shard_it_broke_in(tmp_path: Path, pool: dict[str, Any]) -> None:
    whole = rows_of(list(sampler(tmp_path / "whole", pool).sample()))
    inventory = tmp_path / "inventory.csv"
    inventory.write_text("collection,task,queries\nniv2,large,50\nniv2,small,7\nt0,a,100\nt0,b,100\nt0,tiny,5\n")

    def failing(shard: str, number: int) -> None:
        if shard == "part-1.jsonl" and number == 30:
            raise UserError("the line is dead")

    first = sampler(tmp_path / "cache", pool, inventory=inventory)
    first.sources["t0"] = Wrapped(first.sources["t0"], failing)
    with pytest.raises(UserError, match="the line is dead"):
        list(first.sample())

    read = list[str]()
    second = sampler(tmp_path / "cache", pool, inventory=inventory)
    second.sources = {
        name: Wrapped(source, lambda shard, number, name=name: read.append(f"{name}/{shard}"))  # type: ignore[misc]
        for name, source in second.sources.items()
    }
    assert rows_of(list(second.sample())) == whole
    assert set(read) == {"t0/part-1.jsonl", "t0/part-2.jsonl"}
    assert second.pools()["t0"]["taken"] == 60


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_flan_sampler import Wrapped, rows_of, sampler
cache, pool, kill_at = json.loads(sys.stdin.read())
pool = {{name: c | {{"source": c["source"] | {{"path": Path(c["source"]["path"])}}}} for name, c in pool.items()}}
drawing, seen = sampler(Path(cache), pool), 0
def each(shard, number):
    global seen
    seen += 1
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
drawing.sources = {{name: Wrapped(source, each) for name, source in drawing.sources.items()}}
print(json.dumps(rows_of(list(drawing.sample()))))
"""


def started(cache: Path, pool: dict[str, Any], kill_at: int = 0, hash_seed: int = 0) -> subprocess.Popen[str]:
    env = os.environ | {
        "PYTHONHASHSEED": str(hash_seed),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    script = SCRIPT.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps([str(cache), pool, kill_at], default=str))
    process.stdin.close()
    process.stdin = None
    return process


def test_a_killed_process_leaves_nothing_half_done_and_its_successors_draw_the_same(
    tmp_path: Path, pool: dict[str, Any]
) -> None:
    whole = rows_of(list(sampler(tmp_path / "whole", pool).sample()))
    cache = tmp_path / "cache"
    for kill_at in (100, 400):  # while counting the 262 rows, and while fetching
        killed = started(cache, pool, kill_at)
        killed.communicate(timeout=300)
        assert killed.returncode == -signal.SIGKILL
    together = [started(cache, pool, hash_seed=seed) for seed in (1, 2)]
    for process in together:
        out, _ = process.communicate(timeout=300)
        assert json.loads(out) == json.loads(json.dumps(whole))


def test_what_was_fetched_is_not_read_again(tmp_path: Path, pool: dict[str, Any]) -> None:
    first = rows_of(list(sampler(tmp_path, pool).sample()))
    again = sampler(tmp_path, pool)
    again.sources = {
        name: Wrapped(source, lambda shard, number: pytest.fail("read again")) for name, source in again.sources.items()
    }
    assert rows_of(list(again.sample())) == first


def test_a_lost_run_is_fetched_again(tmp_path: Path, pool: dict[str, Any]) -> None:
    first = rows_of(list(sampler(tmp_path / "cache", pool).sample()))
    next((tmp_path / "cache").rglob("*.arrow")).unlink()
    assert rows_of(list(sampler(tmp_path / "cache", pool).sample())) == first


def test_drawn_rows_that_do_not_exist_are_missing_not_an_error(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.csv"
    inventory.write_text("collection,task,queries\nx,a,10\nx,empty,0\nx,gone,4\n")
    drawing = sampler(tmp_path, {"x": files(shards(tmp_path / "x", {"a": 6, "new": 3}))}, inventory=inventory)
    assert by_task(list(drawing.sample())) == {"x/a": 6}
    pool = drawing.pools()["x"]
    assert (pool["pool"], pool["wanted"], pool["taken"], pool["missing"], pool["unlisted"]) == (14, 14, 6, 8, 3)


def test_an_inventory_that_names_no_task_of_the_source_is_told(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.csv"
    inventory.write_text("collection,task,queries\nx,cot_gsm8k,10\n")
    drawing = sampler(tmp_path, {"x": files(shards(tmp_path / "x", {"gsm8k": 6}))}, inventory=inventory)
    with pytest.raises(
        UserError, match=r"collections\.x: the inventory lists none .*'gsm8k'; did you mean 'cot_gsm8k'"
    ):
        list(drawing.sample())


def test_a_collection_with_fewer_queries_than_wanted_is_taken_whole_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drawing = sampler(tmp_path, {"x": files(shards(tmp_path / "x", {"a": 6}), n=100)})
    with caplog.at_level(logging.WARNING):
        assert len(list(drawing.sample())) == 6
    assert drawing.pools()["x"]["wanted"] == 100
    assert "collections.x: 100 queries wanted, 6 there" in caplog.text


def bad_file(tmp_path: Path) -> Path:
    rows = [row("a", 0), row("a", 1, q=""), row("a", 2), row("a", 3, q="\0"), row("a", 4)]
    path = write(tmp_path / "x" / "bad.jsonl", rows)
    return path.parent


def test_a_bad_row_stops_with_its_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bad\.jsonl:2: the query is empty"):
        list(sampler(tmp_path, {"x": files(bad_file(tmp_path))}).sample())


def test_bad_rows_are_skipped_and_counted_on_demand(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = bad_file(tmp_path)
    with (folder / "bad.jsonl").open("a") as file:
        file.write("{nonsense\n")
    drawing = sampler(tmp_path, {"x": files(folder)}, bad_rows="skip")
    with caplog.at_level(logging.WARNING):
        targets = {prompt.query.target for prompt in drawing.sample()}
    assert targets == {"0", "2", "4"}
    assert drawing.pools()["x"]["skipped"] == 3
    assert "bad.jsonl:4: the query holds a NUL character" in caplog.text


def templated(tmp_path: Path) -> Path:
    kinds = ("zs_opt", "zs_noopt", "fs_opt")
    rows = [row("a", number, template=kind, q=f"{kind} {number}") for kind in kinds for number in range(10)]
    write(tmp_path / "x" / "rows.jsonl", rows)
    return tmp_path / "x"


def test_task_files_give_their_cap_each(tmp_path: Path) -> None:
    for number, size in enumerate((2, 5, 9)):
        instances = [{"input": f"{number} {i}", "output": [f"{i}", "other"]} for i in range(size)]
        task = {"Definition": ["Say it."], "Instances": instances}
        (tmp_path / f"task{number}_x.json").write_text(json.dumps(task))
    drawing = sampler(tmp_path / "cache", {"niv2": {"source": {"kind": "niv2", "path": tmp_path}, "cap": 4}})
    prompts = list(drawing.sample())
    assert by_task(prompts) == {"niv2/task0_x": 2, "niv2/task1_x": 4, "niv2/task2_x": 4}
    assert all(prompt.query.text == f"Say it.\n\n{prompt.query.task[4]} {prompt.query.target}" for prompt in prompts)
    assert drawing.pools()["niv2"]["pool"] == 16


def test_only_rows_of_the_wanted_template_types_are_drawn(tmp_path: Path) -> None:
    drawing = sampler(tmp_path, {"x": files(templated(tmp_path), templates=["zs_opt", "zs_noopt"])})
    assert Counter(p.query.meta["template"] for p in drawing.sample()) == {"zs_opt": 10, "zs_noopt": 10}
    assert drawing.pools()["x"]["tasks"] == 1


def test_template_types_can_be_tasks_of_their_own(tmp_path: Path) -> None:
    collection = files(templated(tmp_path), templates=["zs_opt", "zs_noopt"], per_template=True, cap=4)
    drawing = sampler(tmp_path, {"x": collection})
    assert Counter(p.query.meta["template"] for p in drawing.sample()) == {"zs_opt": 4, "zs_noopt": 4}
    assert drawing.pools()["x"]["tasks"] == 2


@pytest.mark.parametrize("with_inventory", [False, True])
def test_template_types_that_no_row_has_are_told_with_those_there_are(tmp_path: Path, with_inventory: bool) -> None:
    inventory = tmp_path / "inventory.csv"
    inventory.write_text("collection,task,queries\nx,a,10\n")
    config = {"inventory": inventory} if with_inventory else {}
    drawing = sampler(tmp_path, {"x": files(templated(tmp_path), templates=["zs"])}, **config)
    with pytest.raises(
        UserError, match=r"collections\.x\.templates: no row has one of zs; .*fs_opt \(10 rows\), zs_noopt"
    ):
        list(drawing.sample())


def test_where_that_lets_no_row_through_is_told_with_the_values_there_are(tmp_path: Path) -> None:
    collection = files(templated(tmp_path))
    collection["source"]["where"] = {"template": ["zs"]}
    with pytest.raises(
        UserError, match=r"collections\.x\.source\.where: .*'template'.* zs.*fs_opt \(10 rows\), zs_noopt"
    ):
        list(sampler(tmp_path, {"x": collection}).sample())


def test_a_path_that_is_not_there_is_told_with_its_nearest(tmp_path: Path) -> None:
    shards(tmp_path / "niv2", {"a": 1})
    with pytest.raises(DataError, match="did you mean 'niv2'"):
        list(sampler(tmp_path, {"x": files(tmp_path / "nvi2")}).sample())


def test_rows_keep_their_own_message_where_none_are_configured(tmp_path: Path, pool: dict[str, Any]) -> None:
    assert {prompt.system for prompt in sampler(tmp_path, pool).sample()} == {"own"}


def test_messages_follow_their_shares_and_the_multiple_choice_share_that_was_drawn(tmp_path: Path) -> None:
    options = "\nOptions:\n- yes\n- no"
    rows = [row("a", number, q=f"{number}{options if number % 4 else ''}", a="yes") for number in range(2000)]
    write(tmp_path / "x" / "rows.jsonl", rows)
    messages = {
        "any": {"text": "Any.", "shares": {"x": 1}},
        "mcq": {"text": "Choose.", "shares": {"x": 1}, "multiple_choice": True},
    }
    drawing = sampler(tmp_path, {"x": files(tmp_path / "x", n=1500)}, messages=messages)
    prompts = list(drawing.sample())
    given = Counter(prompt.system for prompt in prompts)
    assert abs(given["Choose."] - 750) < 75  # 3.9 standard deviations
    assert all(prompt.query.multiple_choice for prompt in prompts if prompt.system == "Choose.")
    assert drawing.pools()["x"]["multiple_choice"] == sum(prompt.query.multiple_choice for prompt in prompts)


def test_a_collection_without_a_message_is_told_before_anything_is_read(tmp_path: Path, pool: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="messages: none for collection 't0'"):
        sampler(tmp_path, pool, messages={"m": {"text": "M", "shares": {"niv2": 1}}})


def test_a_subset_has_ids_of_the_whole_draw(tmp_path: Path, pool: dict[str, Any]) -> None:
    plugins = plugin_loading.load(strict=True)
    node = {"name": "flan", **FlanConfig.model_validate({"collections": pool}).model_dump(mode="json")}
    context = Context(seed=3, cache=tmp_path, make=lambda kind, node: None)
    whole = {prompt.id for prompt in resolve(plugins, "sampler", node, "sampler").build(context).sample()}
    part = resolve(plugins, "sampler", {"name": "subset", "of": node, "n": 20}, "sampler").build(context)
    some = [prompt.id for prompt in part.sample()]
    assert len(set(some)) == len(some) == 20
    assert set(some) < whole
    assert part.pools()["t0"]["taken"] == 60


def test_the_key_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    plugins = plugin_loading.load(strict=True)

    def identity(collection: Mapping[str, Any]) -> Any:
        node = {"name": "flan", "collections": {"x": collection}}
        return resolve(plugins, "sampler", node, "sampler").identity()

    here, there = shards(tmp_path / "here", {"a": 5}), tmp_path / "there"
    shutil.copytree(here, there)
    first = identity(files(here))
    assert identity(files(there)) == first
    assert identity(files(here, cap=2)) != first
    write(there / "part-0.jsonl", [row("a", 99)])
    assert identity(files(there)) != first
    hub = {"kind": "hub", "dataset": "some/data", "columns": {"query": "q"}}
    slow = hub | {"retries": 9, "wait": 60}
    assert identity({"source": slow}) == identity({"source": hub}) != identity({"source": hub | {"revision": "v2"}})


def test_real_chain_of_thought_and_instructions_are_drawn_whole(tmp_path: Path, shared: Path) -> None:
    columns = {"query": "{definition}\n\n{input}", "target": "output", "task": "task"}
    collections = {
        "cot": {"source": {"kind": "cot", "path": shared / "flan_cot"}, "n": 500},
        "niv2": {"source": {"kind": "files", "path": shared / "niv2_examples.jsonl", "columns": columns}},
    }
    drawing = sampler(tmp_path, collections)
    prompts = list(drawing.sample())
    assert len(prompts) == 2154
    assert all(prompt.query.target for prompt in prompts)
    pools = drawing.pools()
    assert (pools["cot"]["pool"], pools["cot"]["tasks"]) == (66_886, 14)
    assert (pools["niv2"]["pool"], pools["niv2"]["tasks"]) == (1654, 1654)
