"""The way from the draw to training, as the stages' own records tell it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orca_core.errors import DataError
from orca_core.protocols import Flag
from orca_core.records import Prompt, Query, Trace
from orca_core.report.funnel import UNANSWERED, describe_funnel
from orca_core.report.html import write_html
from orca_core.report.model import Report
from orca_core.report.sections import Funnel
from orca_core.report.terminal import print_report
from orca_core.sieve import SAMPLES, Sieve, write_sieves
from orca_core.store import Slot, write_json

Rule = Callable[[Prompt], Flag | None]


def drawn(n: int = 60) -> list[Prompt]:
    return [
        Prompt(Query(f"question {i}", f"task{i % 3}", ("cot", "niv2")[i % 2], target="x"), "Think.") for i in range(n)
    ]


def number(item: Prompt) -> int:
    return int(item.query.text.split()[-1])


def by(rule: Rule) -> Callable[[Iterable[Any]], Iterator[tuple[Any, Flag | None]]]:
    """A screen or selector that goes by the prompt."""
    return lambda items: ((item, rule(item.prompt if isinstance(item, Trace) else item)) for item in items)


def overlapping(prompt: Prompt) -> Flag | None:
    i = number(prompt)
    if i < 6:
        return Flag("13-gram", True, "bbh", "navigate", "one two three")
    return Flag("fuzzy", False, "agieval", "", "maybe") if i < 10 else None


def screened(path: Path, rules: dict[str, Rule], items: list[Any], **facts: Any) -> tuple[Slot, list[Any]]:
    """A finished stage whose sieves went by these rules, and what is left."""
    path.mkdir(parents=True)
    sieves: list[Sieve[Any]] = []
    source: Iterable[Any] = items
    for name, rule in rules.items():
        sieves.append(Sieve(name, by(rule), source))
        source = sieves[-1]
    left = list(source)
    slot = Slot(path)
    dropped = write_sieves(slot, sieves)
    kind = "traces" if isinstance(items[0], Trace) else "prompts"
    slot.finish({kind: len(left), "dropped": dict(dropped), **facts})
    return slot, left


def finished(path: Path, **facts: Any) -> Slot:
    path.mkdir(parents=True)
    Slot(path).finish(facts)
    return Slot(path)


def short(prompt: Prompt) -> Flag | None:
    return Flag("too short") if number(prompt) % 10 == 3 else None


def wrong(prompt: Prompt) -> Flag | None:
    return Flag("wrong answer") if number(prompt) % 7 == 0 else None


def whole_way(tmp_path: Path) -> Funnel:
    prompts = drawn()
    screen, asked = screened(tmp_path / "screen", {"overlap": overlapping}, prompts)
    answers = [Trace(prompt, "<b>so</b>", "gpt") for prompt in asked]
    select, _ = screened(tmp_path / "select", {"length": short, "correct": wrong}, answers)
    slots = {
        "sample": finished(tmp_path / "sample", prompts=len(prompts)),
        "screen": screen,
        "ask": finished(tmp_path / "ask", traces=len(answers), dead_letters=2),
        "select": select,
    }
    funnel = describe_funnel("teacher", slots)
    assert funnel is not None
    return funnel


def shown(funnel: Funnel, tmp_path: Path, width: int) -> tuple[str, str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    report = Report(name="run", funnels=[funnel])
    print_report(report, console)
    write_html(report, tmp_path / "page.html")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), (tmp_path / "page.html").read_text(encoding="utf-8")


def test_each_step_takes_up_where_the_one_before_it_left_off(tmp_path: Path) -> None:
    steps = whole_way(tmp_path).steps
    assert [step.name for step in steps] == ["overlap", "asked", "length", "correct"]
    assert [step.before for step in steps[1:]] == [step.after for step in steps[:-1]]
    assert (steps[0].before, steps[0].after) == (60, 54)
    length = sum(number(prompt) % 10 == 3 for prompt in drawn()[6:])
    assert steps[2].before - steps[2].after == length == 5
    for step in steps:
        assert step.before - step.after == sum(reason.count for reason in step.reasons if reason.dropped)


def test_reasons_are_counted_by_collection_and_notes_are_no_drops(tmp_path: Path) -> None:
    overlap, asked, *_ = whole_way(tmp_path).steps
    assert [(reason.reason, reason.count, reason.dropped) for reason in overlap.reasons] == [
        ("13-gram", 6, True),
        ("fuzzy", 4, False),
    ]
    assert overlap.reasons[0].collections == {"cot": 3, "niv2": 3}
    assert [(reason.reason, reason.count, reason.dropped) for reason in asked.reasons] == [(UNANSWERED, 2, False)]


def test_several_answers_to_a_prompt_make_the_way_wider(tmp_path: Path) -> None:
    slots = {
        "sample": finished(tmp_path / "sample", prompts=10),
        "ask": finished(tmp_path / "ask", traces=40, dead_letters=1),
    }
    funnel = describe_funnel("teacher", slots)
    assert funnel is not None
    assert (funnel.steps[0].before, funnel.steps[0].after) == (10, 40)
    _, page = shown(funnel, tmp_path, 80)
    assert "400.0" in page


def test_overlaps_are_pairs_of_tasks_with_their_reasons(tmp_path: Path) -> None:
    funnel = whole_way(tmp_path)
    pairs = {(row.collection, row.task, row.evaluator, row.evaluator_task): row for row in funnel.overlaps}
    assert sum(row.count for row in funnel.overlaps) == 10
    assert sum(row.dropped for row in funnel.overlaps) == 6
    assert pairs["cot", "task0", "bbh", "navigate"].reasons == {"13-gram": 1}
    assert pairs["niv2", "task0", "bbh", "navigate"].dropped == 1
    assert funnel.overlapping == len(funnel.overlaps) == len(pairs)
    assert [row.count for row in funnel.overlaps] == sorted((row.count for row in funnel.overlaps), reverse=True)


def test_a_task_known_to_be_made_of_a_benchmark_that_the_run_does_not_ask_is_listed_all_the_same(
    tmp_path: Path,
) -> None:
    def known(prompt: Prompt) -> Flag | None:
        return Flag("known task", False, "", "AQuA-RAT", "AQuA-RAT: its training split") if number(prompt) < 2 else None

    screen, _ = screened(tmp_path / "screen", {"overlap": known}, drawn())
    funnel = describe_funnel("teacher", {"screen": screen})
    assert funnel is not None
    assert [(row.evaluator, row.evaluator_task, row.dropped) for row in funnel.overlaps] == [("", "AQuA-RAT", 0)] * 2
    _, page = shown(funnel, tmp_path, 80)
    assert 'AQuA-RAT <span class="note">not in this run' in page


def test_many_overlaps_and_reasons_are_cut_but_counted(tmp_path: Path) -> None:
    def all_different(prompt: Prompt) -> Flag | None:
        return Flag(f"reason {number(prompt) % 40}", True, "bbh", f"task {number(prompt)}") if number(prompt) else None

    screen, _ = screened(tmp_path / "screen", {"overlap": all_different}, drawn(300))
    funnel = describe_funnel("teacher", {"screen": screen})
    assert funnel is not None
    assert (len(funnel.overlaps), funnel.overlapping) == (100, 299)
    (step,) = funnel.steps
    assert len(step.reasons) == 13
    assert sum(reason.count for reason in step.reasons) == 299


@pytest.mark.parametrize("width", [80, 120])
def test_the_funnel_is_shown_with_what_was_held_back(width: int, tmp_path: Path) -> None:
    terminal, page = shown(whole_way(tmp_path), tmp_path, width)
    assert max(map(len, terminal.splitlines())) <= width
    for text in ("too short", "wrong answer", "13-gram"):
        assert text in page
        assert text in " ".join(terminal.split())
    assert "2 no answer (noted)" in terminal
    assert "because of" in page
    assert "one two three" in page
    assert "bbh \u00b7 navigate" in page
    assert "&lt;b&gt;so&lt;/b&gt;" in page  # an answer that was dropped
    assert "<b>so</b>" not in page


def test_selection_without_a_record_still_shows_its_counts(tmp_path: Path) -> None:
    slots = {
        "sample": finished(tmp_path / "sample", prompts=10),
        "ask": finished(tmp_path / "ask", traces=10),
        "select": finished(tmp_path / "select", traces=7, dropped={"empty": 3}),
    }
    funnel = describe_funnel("teacher", slots)
    assert funnel is not None
    assert [(step.name, step.before, step.after) for step in funnel.steps] == [("asked", 10, 10), ("selection", 10, 7)]
    assert [(reason.reason, reason.count) for reason in funnel.steps[1].reasons] == [("empty", 3)]


def test_a_phase_in_which_nothing_was_looked_through_has_no_funnel(tmp_path: Path) -> None:
    slots = {
        "sample": finished(tmp_path / "sample", prompts=10),
        "ask": finished(tmp_path / "ask", traces=10),
        "select": finished(tmp_path / "select", traces=10, dropped={}),
    }
    assert describe_funnel("teacher", slots) is None
    assert describe_funnel("teacher", {"sample": slots["sample"]}) is None


def test_a_screen_that_found_nothing_is_shown_all_the_same(tmp_path: Path) -> None:
    screen, _ = screened(tmp_path / "screen", {"overlap": lambda _: None}, drawn())
    funnel = describe_funnel("teacher", {"screen": screen})
    assert funnel is not None
    assert (funnel.steps[0].before, funnel.steps[0].after, funnel.overlaps) == (60, 60, [])
    terminal, _ = shown(funnel, tmp_path, 80)
    assert "100.0" in terminal


def test_a_broken_record_is_named_with_its_line(tmp_path: Path) -> None:
    screen, _ = screened(tmp_path / "screen", {"overlap": overlapping}, drawn())
    with (screen.path / SAMPLES).open("a") as file:
        file.write("{\n")
    with pytest.raises(DataError, match=rf"{SAMPLES}:10: not JSON"):
        describe_funnel("teacher", {"screen": screen})
    write_json(screen.path / "sieves.json", {})
    with pytest.raises(DataError, match=r"sieves\.json: not the record of a stage's sieves \('sieves'\)"):
        describe_funnel("teacher", {"screen": screen})
