"""What a report says of a draw and of answers: every figure against a count by hand, and the commands that show it."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from toy_project import TOY_RUN

from orca_core.counts import TASKS, count_answers, count_prompts
from orca_core.errors import DataError, UserError
from orca_core.records import Prompt, Query, Trace
from orca_core.report import load
from orca_core.report.draw_page import message_label
from orca_core.report.drawn import bin_edges, describe_answers, describe_draw
from orca_core.report.html import write_html
from orca_core.report.model import Report, parse
from orca_core.report.sections import OTHERS, PERCENTILES, TEXT_LIMIT, LengthTable
from orca_core.report.slots import data_sections, is_slot, message_names, slot_report
from orca_core.report.terminal import print_report
from orca_core.store import Slot
from orca_core.tables import write_prompts, write_traces

MESSAGES = ("", "Explain.", "Think step by step.", "Answer as to a five-year-old.")


def a_prompt(draw: random.Random, index: int) -> Prompt:
    collection = draw.choice(["cot", "niv2", "t0"])
    text = f"{index}" + "".join(draw.choice([" ", "\n", "  ", "\t"]) + "word" for _ in range(draw.randrange(40)))
    choices = ("yes", "no") if draw.random() < 0.4 else ()
    query = Query(text, f"task{draw.randrange(1, 8)}", collection, target="yes", choices=choices)
    return Prompt(query, draw.choice(MESSAGES))


def an_answer(draw: random.Random, prompt: Prompt, longest: int = 60) -> Trace:
    dead = draw.random() < 0.05
    return Trace(
        prompt,
        "" if dead else " ".join(["so"] * draw.randrange(longest)),
        draw.choice(["gpt-4", "gpt-4-0314"]),
        "error" if dead else draw.choice(["stop", "stop", "length"]),
        completion_tokens=None if dead or draw.random() < 0.3 else draw.randrange(200),
        correct=None if dead else draw.choice([True, False, None]),
    )


def prompts(n: int, seed: int = 0) -> list[Prompt]:
    draw = random.Random(seed)
    return [a_prompt(draw, index) for index in range(n)]


def answers(asked: list[Prompt], seed: int = 1, longest: int = 60) -> list[Trace]:
    draw = random.Random(seed)
    return [an_answer(draw, prompt, longest) for prompt in asked]


def a_slot(path: Path, rows: list[Any], per_file: int = 90, **facts: Any) -> Slot:
    """A finished stage of these prompts or traces, in files of different sizes."""
    path.mkdir(parents=True)
    write, name = (write_traces, "traces") if isinstance(rows[0], Trace) else (write_prompts, "prompts")
    for index, start in enumerate(range(0, len(rows), per_file)):
        write(path / f"{name}-{index:05d}.parquet", rows[start : start + per_file])
    slot = Slot(path)
    slot.finish({"stage": f"{path.parent.name}/phase", name: len(rows), "seconds": 1.5, **facts})
    return slot


def naive_lengths(lengths: list[int], edges: list[int]) -> dict[str, Any]:
    """The same figures, by sorting."""
    ordered = sorted(lengths)
    bins = Counter(max(index for index, edge in enumerate(edges) if edge <= length) for length in lengths)
    return {
        "n": len(ordered),
        "mean": pytest.approx(sum(ordered) / len(ordered)),
        "percentiles": [ordered[-(-len(ordered) * percent // 100) - 1] for percent in PERCENTILES],
        "histogram": [bins[index] for index in range(len(edges))],
    }


def agree(table: LengthTable, rows: list[tuple[str, str, int]]) -> None:
    """Compare with (collection, message, length) rows."""
    found = table.model_dump()
    assert found["all"] == {"group": ""} | naive_lengths([length for *_, length in rows], table.edges)
    for place, groups in (("collections", 0), ("messages", 1)):
        expected = {row[groups] for row in rows}
        assert {lengths["group"] for lengths in found[place]} == expected
        for lengths in found[place]:
            members = [row[2] for row in rows if row[groups] == lengths["group"]]
            assert lengths == {"group": lengths["group"]} | naive_lengths(members, table.edges)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 250), per_file=st.integers(20, 120))
def test_a_draws_figures_are_those_of_a_count_by_hand(
    seed: int, n: int, per_file: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = prompts(n, seed)
    slot = a_slot(tmp_path_factory.mktemp("store") / "sample" / "key", drawn, per_file)
    draw = describe_draw("phase", "key", count_prompts(slot.files("prompts-*.parquet")))
    collections = Counter(prompt.query.collection for prompt in drawn)
    assert draw.n == n
    assert {row.collection: row.n for row in draw.collections} == collections
    for row in draw.collections:
        of = [prompt.query for prompt in drawn if prompt.query.collection == row.collection]
        assert row.tasks == len({query.task for query in of})
        assert row.multiple_choice == sum(query.multiple_choice for query in of)
    assert {
        (row.message, collection): count for row in draw.messages for collection, count in row.collections.items()
    } == (Counter((prompt.system, prompt.query.collection) for prompt in drawn))
    assert draw.words is not None
    agree(draw.words, [(p.query.collection, p.system, len(p.query.text.split())) for p in drawn])
    tasks = Counter((prompt.query.collection, prompt.query.task) for prompt in drawn)
    assert draw.tasks is not None
    assert draw.tasks.count == len(tasks)
    assert [row.n for row in draw.tasks.largest] == sorted(tasks.values(), reverse=True)[:20]
    assert all(tasks[row.collection, row.task] == row.n for row in draw.tasks.largest)
    sizes = naive_lengths(list(tasks.values()), draw.tasks.edges)["histogram"]
    assert [sum(counts) for counts in zip(*draw.tasks.histogram.values(), strict=True)] == sizes


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 250), per_file=st.integers(20, 120))
def test_answers_figures_are_those_of_a_count_by_hand_without_dead_letters(
    seed: int, n: int, per_file: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = answers(prompts(n, seed), seed)
    slot = a_slot(tmp_path_factory.mktemp("store") / "ask" / "key", given, per_file)
    found = describe_answers("phase", "key", count_answers(slot.files("traces-*.parquet")))
    alive = [trace for trace in given if trace.finish_reason != "error"]
    words = [(t.prompt.query.collection, t.prompt.system, len(t.text.split())) for t in alive]
    tokens = [
        (t.prompt.query.collection, t.prompt.system, t.completion_tokens)
        for t in alive
        if t.completion_tokens is not None
    ]
    for table, rows in ((found.words, words), (found.tokens, tokens)):
        assert (table is not None) == bool(rows)
        if table is not None:
            agree(table, rows)
    assert found.models == Counter(trace.model for trace in given)
    assert found.finish_reasons == Counter(trace.finish_reason for trace in given)
    judged = Counter(trace.prompt.query.collection for trace in given if trace.correct is not None)
    assert {row.collection: row.judged for row in found.verdicts} == judged
    for row in found.verdicts:
        assert row.correct == sum(t.correct is True for t in given if t.prompt.query.collection == row.collection)


def test_every_length_lies_in_the_bin_that_says_so() -> None:
    for largest in (0, 1, 2, 7, 8, 99, 1000, 123_456):
        edges = bin_edges(largest)
        assert edges[0] == 0
        assert edges == sorted(set(edges))
        assert edges[-1] <= largest or largest == 0
        assert edges == bin_edges(10**6)[: len(edges)]  # so that phases can be laid over each other
        assert bin_edges(10**6)[len(edges)] > largest


def test_the_examples_are_three_of_each_collection_whatever_the_files(tmp_path: Path) -> None:
    drawn = prompts(300)
    shuffled = random.Random(5).sample(drawn, len(drawn))
    first = count_prompts(a_slot(tmp_path / "sample" / "a", drawn, 37).files("prompts-*.parquet")).examples
    again = count_prompts(a_slot(tmp_path / "sample" / "b", shuffled, 300).files("prompts-*.parquet")).examples
    assert first == again
    assert Counter(row["collection"] for row in first) == {"cot": 3, "niv2": 3, "t0": 3}
    for name in ("cot", "niv2", "t0"):
        smallest = sorted(prompt.id for prompt in drawn if prompt.query.collection == name)[:3]
        assert [row["id"] for row in first if row["collection"] == name] == smallest


def test_a_huge_text_is_cut_and_says_how_long_it_was(tmp_path: Path) -> None:
    slot = a_slot(tmp_path / "sample" / "a", [Prompt(Query("x" * 100_000, "t"))])
    (one,) = describe_draw("p", "a", count_prompts(slot.files("*.parquet"))).examples
    assert one.query == "x" * TEXT_LIMIT + "\u2026 (100,000 characters)"


def test_rare_messages_are_counted_together_and_none_of_many_files_is_lost(tmp_path: Path) -> None:
    drawn = [Prompt(Query(f"{i}", "t", "c"), f"message {i % 100}") for i in range(1000)]
    slot = a_slot(tmp_path / "sample" / "a", drawn, per_file=10)
    draw = describe_draw("p", "a", count_prompts(slot.files("*.parquet")))
    assert len(draw.messages) == 41
    assert draw.messages[-1].message == OTHERS
    assert sum(row.n for row in draw.messages) == 1000


def test_a_file_that_is_no_parquet_or_lacks_a_column_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table(
            {"id": ["a"], "collection": ["c"], "task": ["t"], "query": ["q"], "query_choices": [["a"]], "target": ["a"]}
        ),
        tmp_path / "prompts-00000.parquet",
    )
    with pytest.raises(DataError, match=r"prompts-00000\.parquet: column 'system' is missing"):
        count_prompts([tmp_path / "prompts-00000.parquet"])
    (tmp_path / "broken.parquet").write_text("no")
    with pytest.raises(DataError, match=r"broken\.parquet: not a readable Parquet file"):
        count_prompts([tmp_path / "broken.parquet"])


def test_nothing_drawn_is_a_draw_of_nothing() -> None:
    assert count_prompts([]).by.get(TASKS) is None
    assert describe_draw("p", "a", count_prompts([])).n == 0
    assert describe_answers("p", "a", count_answers([])).n == 0


def test_messages_are_called_what_the_samplers_config_calls_them() -> None:
    config = {"name": "subset", "of": {"messages": {"m01": {"text": ""}, "m07": {"text": "Think."}}, "n": 3}}
    assert dict(message_names(config)) == {"": "m01", "Think.": "m07"}
    assert dict(message_names({"messages": None})) == {}


def test_a_message_is_shown_in_few_words() -> None:
    assert message_label("") == "(empty)"
    assert message_label("", "m01") == "m01 (empty)"
    assert message_label("one two, three", limit=9) == "one two\u2026"
    assert len(message_label("word " * 100)) < 100


def two_phases(tmp_path: Path) -> dict[str, Any]:
    """report.json of a run whose second teacher says more."""
    drawn = prompts(240)
    pools = {"cot": {"pool": 1000, "taken": 80}, "niv2": {"pool": 2000, "taken": 90, "skipped": 4}}
    phases = {
        name: {
            "sample": a_slot(tmp_path / "sample" / name, of, pools=pools),
            "ask": a_slot(tmp_path / "ask" / name, answers(of, longest=longest)),
        }
        for name, of, longest in (("assistant", drawn, 60), ("teacher", drawn[::3], 120))
    }
    return {"name": "run", **data_sections(phases, {"Explain.": "m02"})}


def shown(report: Any, tmp_path: Path, width: int = 100) -> tuple[str, str]:
    """The terminal's text and the page."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(report, console)
    write_html(report, tmp_path / "page.html")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 120])
def test_collections_messages_pools_and_the_teachers_lengths_are_shown(width: int, tmp_path: Path) -> None:
    report = two_phases(tmp_path)
    terminal, page = shown(report, tmp_path, width)
    assert max(map(len, terminal.splitlines())) <= width
    first, second = (phase["words"]["all"]["mean"] for phase in report["answers"])
    for text in (terminal, page):
        assert f"{second / first:.2f} times the words" in " ".join(text.split())
        for row in report["draws"][0]["collections"]:
            assert row["collection"] in text
            assert f"{row['n']:,}" in text
        assert "m02 Explain." in text
        assert "(empty)" in text
        assert "2,000" in text  # a pool
    assert "skipped" in page
    assert page.count("<svg") == 7  # two of each draw's; all answers, by collection and by message


def test_phases_that_share_their_prompts_share_their_draw(tmp_path: Path) -> None:
    slot = a_slot(tmp_path / "sample" / "a", prompts(30))
    sections = data_sections({"one": {"sample": slot}, "two": {"sample": slot}}, {})
    assert [draw["title"] for draw in sections["draws"]] == ["one, two"]


def test_a_report_without_the_new_sections_still_loads_and_shows(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"name": "old", "stages": [{"name": "sample/a"}]}))
    report = load(tmp_path)
    assert (report.draws, report.answers, report.funnels) == ([], [], [])
    terminal, page = shown(report, tmp_path)
    assert "old" in terminal
    for anchor in ("#drawn", "#teachers", "#funnel"):
        assert anchor not in page


def test_a_report_comes_back_from_its_json_as_it_was(tmp_path: Path) -> None:
    report = two_phases(tmp_path)
    assert parse(json.loads(json.dumps(report))).draws == parse(report).draws
    assert isinstance(parse(report), Report)


def test_hostile_texts_stay_texts_in_a_draw(tmp_path: Path) -> None:
    hostile = "</pre><script>alert('x')</script>[bold]\x1b[2J$x_{$"
    drawn = [
        Prompt(Query(f"{hostile} {i}", hostile + str(i % 3), hostile, target=hostile), hostile + str(i % 2))
        for i in range(9)
    ]
    given = [Trace(prompt, hostile, hostile, completion_tokens=i) for i, prompt in enumerate(drawn)]
    slots = {
        "sample": a_slot(tmp_path / "sample" / "a", drawn, pools={hostile: {hostile: 3}}),
        "ask": a_slot(tmp_path / "ask" / "a", given),
    }
    terminal, page = shown({"name": "x", **data_sections({hostile: slots}, {})}, tmp_path)
    assert "<script>" not in page
    assert "&lt;script&gt;alert" in page
    assert "\x1b" not in terminal
    assert "[bold]" in terminal


def test_a_stage_of_the_store_is_reported_and_stays_as_it_is(tmp_path: Path) -> None:
    slot = a_slot(tmp_path / "store" / "select" / "k1", answers(prompts(40)))
    before = sorted(slot.path.iterdir())
    assert is_slot(slot.path)
    report = slot_report(slot.path)
    assert (report.name, report.draws[0].n, report.answers[0].n) == ("select/phase", 40, 40)
    assert report.draws[0].words is None  # of queries, which are counted where they were drawn
    shown(report, tmp_path)
    assert sorted(slot.path.iterdir()) == before


def test_a_stage_without_prompts_or_unfinished_says_so(tmp_path: Path) -> None:
    for kind in ("fit", "sample"):
        (tmp_path / kind / "k").mkdir(parents=True)
        (tmp_path / kind / "k" / "lock").touch()
        assert is_slot(tmp_path / kind / "k")
    with pytest.raises(UserError, match="a fit stage holds no prompts and no answers; give one of sample, screen"):
        slot_report(tmp_path / "fit" / "k")
    with pytest.raises(UserError, match="has not finished"):
        slot_report(tmp_path / "sample" / "k")
    assert not is_slot(tmp_path)


def test_orca_draw_asks_nobody_and_leaves_what_the_run_then_finds(project: Any) -> None:
    drawn = project.orca("draw", *TOY_RUN, "sampler.n=30")
    assert drawn.returncode == 0, drawn.stderr
    assert "sums" not in drawn.stderr
    assert {path.name for path in (project.root / "store").iterdir()} == {"cache", "sample"}
    assert not (project.root / "asked.txt").exists()
    (page,) = project.root.glob("outputs/*/draw_*/report.html")
    assert str(page.relative_to(project.root)) in drawn.stdout
    report = load(page.parent)
    assert [draw.title for draw in report.draws] == list(report.config["curriculum"])
    assert "no scores" not in drawn.stdout
    (page.parent / "report.html").unlink()
    again = project.orca("report", str(page.parent))
    assert again.returncode == 0, again.stderr
    assert page.exists()
    (slot,) = (project.root / "store" / "sample").iterdir()
    of_slot = project.orca("report", str(slot))
    assert of_slot.returncode == 0, of_slot.stderr
    assert (project.root / f"sample-{slot.name[:8]}.html").exists()
    run = project.orca("run", *TOY_RUN, "sampler.n=30")
    assert run.returncode == 0, run.stderr
    (final,) = [load(path) for path in project.reports() if path.parent != page.parent]
    assert next(stage for stage in final.stages if stage.name.startswith("sample/")).cached
    assert final.draws == report.draws
    assert final.answers[0].n == report.draws[0].n


@pytest.mark.parametrize("arguments", [("-m", "seed=1,2"), ("seed=1,2",), ("--help",)])
def test_orca_draw_takes_one_draw_at_a_time(project: Any, arguments: tuple[str, ...]) -> None:
    result = project.orca("draw", *arguments, *TOY_RUN)
    assert result.returncode == 2
    assert "usage: orca draw [OVERRIDE ...], one value each" in result.stderr


def test_prompts_that_are_the_same_count_once_and_are_told(project: Any) -> None:
    rows = [{"query": "Why?", "task": "t"}, {"query": "How?", "task": "t"}, {"query": "Why?", "task": "t"}]
    (project.root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    drawn = project.orca("draw", *TOY_RUN, "sampler=file", "sampler.path=rows.jsonl")
    assert "1 of 3 prompts are the same as others" in drawn.stderr + drawn.stdout
