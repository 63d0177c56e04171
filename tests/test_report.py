"""A report as people see it: the terminal table, the page, and what happens with odd, missing or hostile content."""

from __future__ import annotations

import io
import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orca_core.errors import DataError, UserError
from orca_core.report import load
from orca_core.report.html import write_html
from orca_core.report.model import load_items
from orca_core.report.terminal import print_report
from orca_core.stats import macro_average, proportion_score

CHANCE = {
    "boolean_expressions": 0.5,
    "multistep_arithmetic_two": 0.0,
    "navigate": 0.5,
    "web_of_lies": 0.5,
    "word_sorting": 0.0,
    "tracking_shuffled_objects_three_objects": 1 / 3,
    "tracking_shuffled_objects_seven_objects": 1 / 7,
    "logical_deduction_five_objects": 0.2,
}
SKILL = {"base": 0.0, "student": 0.8, "assistant": 0.985, "teacher": 1.0}


def score_rows(evaluator: str, rng: random.Random, references: bool) -> list[dict[str, Any]]:
    rows = []
    for subject, skill in SKILL.items():
        scores = []
        for task, chance in CHANCE.items():
            rate = chance + (1 - chance) * skill * (rng.uniform(0.6, 1.1) if subject == "student" else 1)
            published = {
                name: random.Random(name + task).uniform(0.2, 0.95) for name in ("ChatGPT", "GPT-4", "Orca-13B")
            }
            outcomes = {str(i): rng.random() < rate for i in range(250 if references else 100)}
            readable = 0.02 if subject == "base" else 1.0
            scores.append(
                proportion_score(
                    task, outcomes, chance=chance, format_ok=readable, references=published if references else None
                )
            )
        for score in [*scores, macro_average(scores)]:
            row = {
                name: getattr(score, name) for name in ("task", "metric", "value", "n", "ci95", "chance", "format_ok")
            }
            rows.append({"subject": subject, "evaluator": evaluator, "references": dict(score.references)} | row)
    return rows


def loss_points(rng: random.Random, start: float) -> list[dict[str, float]]:
    losses = [start * 0.985**i + 0.02 + 0.05 * start * 0.98**i * rng.random() for i in range(200)]
    return [
        {"step": 10.0 * i, "tokens": 21000.0 * i, "loss": loss, "learning_rate": 1e-3} for i, loss in enumerate(losses)
    ]


def make_report() -> dict[str, Any]:
    """A default run as the pipeline would record it."""
    rng = random.Random(3)
    system = "You are an AI assistant. Think step by step and justify your answer."
    query = "Do you return to the starting point?\nTake 3 steps. Turn around. Take 3 steps.\nOptions:\n- Yes\n- No"
    steps = [
        "Start at (0, 0), facing north.",
        "Take 3 steps: (0, 3).",
        "Turn around: facing south.",
        "Take 3 steps: (0, 0).",
    ]
    response = "\n".join([*steps, "So the answer is Yes."])
    sample = {"evaluator": "reasoning", "task": "navigate", "system": system, "query": query, "target": "Yes"}
    return {
        "name": "progressive",
        "created": "2031-03-14T09:26:53Z",
        "scores": score_rows("reasoning", rng, references=False) + score_rows("bbh", rng, references=True),
        "stages": [
            {
                "name": "sample/assistant",
                "key": "9f2c61aa03b1d5e7",
                "cached": True,
                "seconds": 0.4,
                "path": "store/sample/9f2c",
            },
            {
                "name": "ask/assistant",
                "key": "1b7e61aa03b1d5e7",
                "cached": True,
                "seconds": 6.1,
                "path": "store/ask/1b7e",
            },
            {
                "name": "fit/assistant",
                "key": "77aa61aa03b1d5e7",
                "cached": False,
                "seconds": 221.4,
                "path": "store/fit/77aa",
            },
            {
                "name": "answer/reasoning/student",
                "key": "c0ff61aa03b1d5e7",
                "cached": False,
                "seconds": 38.2,
                "path": "store/answer/c0ff",
            },
        ],
        "curriculum": [
            {
                "phase": "assistant",
                "teacher": "solver-brief",
                "prompts": 20000,
                "kept": 18650,
                "dropped": {"too long": 1100, "duplicate": 250},
                "epochs": 1,
                "prompt_tokens": 1_500_000,
                "completion_tokens": 2_400_000,
                "cost_usd": 0.0,
                "judged": 16000,
                "correct": 12920,
                "dead_letters": 7,
            },
            {
                "phase": "teacher",
                "teacher": "solver",
                "prompts": 4000,
                "kept": 3900,
                "dropped": {"too long": 100},
                "epochs": 2,
                "prompt_tokens": 300_000,
                "completion_tokens": 910_000,
                "cost_usd": None,
            },
        ],
        "curves": [
            {"phase": "assistant", "points": loss_points(rng, 4.6)},
            {"phase": "teacher", "points": loss_points(rng, 0.9)},
        ],
        "samples": [
            sample | {"subject": "student", "response": response, "correct": 1.0, "finish_reason": "stop"},
            sample | {"subject": "student", "response": response[:90], "correct": 0.0, "finish_reason": "length"},
            sample | {"subject": "base", "response": "7 7 7 7 7 7 7", "correct": None, "finish_reason": "length"},
        ],
        "versions": {"orca-explain": "0.1.0", "torch": "2.13.0", "components": {"teacher solver": 1}},
        "config": {"seed": 0, "teacher": {"name": "solver"}, "student": {"name": "lightning", "hidden_size": 128}},
        "overrides": ["seed=0", "student.learning_rate=1e-3"],
        "store": "/home/ada/orca/store",
    }


def write_run(directory: Path, report: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return directory


def page(report: dict[str, Any], directory: Path) -> str:
    write_html(report, directory / "report.html")
    return (directory / "report.html").read_text(encoding="utf-8")


def printed(report: dict[str, Any], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    print_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Elements(HTMLParser):
    """Every element with its attributes, and whether all that were opened are closed in order."""

    VOID = frozenset({"meta", "link", "br", "img", "path", "use"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    text = page(make_report(), tmp_path)
    elements = Elements(text)
    assert elements.open == []
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"script", "link", "iframe", "img", "object", "embed", "base"}
    links = [value for _, attributes in elements.found for name, value in attributes.items() if name in ("src", "href")]
    assert links
    assert all(value is not None and value.startswith("#") for value in links)
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(text) < 400_000


def test_every_link_on_the_page_leads_somewhere(tmp_path: Path) -> None:
    elements = Elements(page(make_report(), tmp_path)).found
    ids = {attributes["id"] for _, attributes in elements if "id" in attributes}
    targets = {str(attributes["href"])[1:] for _, attributes in elements if "href" in attributes}
    assert targets <= ids


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    hostile = "</pre><script>alert('x')</script><img src=x onerror=alert(1)>[bold]$x_{$\x1b[2J"
    report = make_report()
    report["name"] = hostile
    report["overrides"] = [hostile]
    report["samples"][0] |= {
        "response": hostile,
        "query": hostile,
        "system": hostile,
        "target": hostile,
        "task": hostile,
    }
    report["scores"][0] |= {"task": hostile, "evaluator": hostile, "subject": hostile, "references": {hostile: 0.1}}
    report["curriculum"][0] |= {"phase": hostile, "teacher": hostile, "dropped": {hostile: 3}}
    report["curves"][0]["phase"] = hostile
    report["config"] = {hostile: hostile}
    report["stages"][0]["name"] = hostile
    text = page(report, tmp_path)
    elements = Elements(text)
    assert elements.open == []
    assert not {tag for tag, _ in elements.found} & {"script", "img"}
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert "&lt;script&gt;alert" in text
    shown = printed(report, 200)
    assert "[bold]" in shown
    assert "\x1b" not in shown


def test_the_page_shows_every_figure_of_the_average(tmp_path: Path) -> None:
    report = make_report()
    text = page(report, tmp_path)
    averages = [row for row in report["scores"] if row["task"] == "average"]
    assert len(averages) == 8
    for row in averages:
        low, high = row["ci95"]
        cell = f"{100 * row['value']:.1f}<small>{100 * low:.1f}\u2013{100 * high:.1f}</small>"
        assert cell in text


def test_what_was_measured_on_held_out_questions_stands_beside_the_loss(tmp_path: Path) -> None:
    report = make_report()
    before = page(report, tmp_path)
    points = report["curves"][0]["points"]
    measured = {
        "step": points[-1]["step"],
        "tokens": points[-1]["tokens"],
        "validation_loss": 1.2,
        "perplexity": 3.3201,
    }
    report["curves"][0]["points"] = [*points, measured]
    after = page(report, tmp_path)
    assert "assistant ended at a perplexity of 3.32." in after
    assert "perplexity" not in before
    assert after.count("tokens seen") == before.count("tokens seen") > 0


def test_a_score_at_chance_is_told_from_one_above_it(tmp_path: Path) -> None:
    row = {"evaluator": "e", "metric": "accuracy", "n": 100, "chance": 0.5, "format_ok": 1.0}
    report = {
        "scores": [
            row | {"task": "guess", "value": 0.55, "ci95": [0.45, 0.64]},
            row | {"task": "know", "value": 0.75, "ci95": [0.66, 0.82]},
        ]
    }
    shown = printed(report, 100)
    assert "~55.0" in shown
    assert "~75.0" not in shown
    assert 'class="num level">55.0' in page(report, tmp_path)


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"scores": [{"evaluator": "e", "task": "t"}]},
        {
            "scores": [
                {"evaluator": "e", "task": "t", "value": None, "ci95": None, "n": None, "references": {"GPT-4": None}}
            ]
        },
        {
            "scores": [
                {
                    "evaluator": "e",
                    "task": "t",
                    "value": float("nan"),
                    "ci95": [float("nan"), None],
                    "chance": float("nan"),
                }
            ]
            * 2
        },
        {
            "scores": [
                {"evaluator": "judge", "task": f"t{i}", "metric": "score", "value": 7.25, "ci95": [6.9, 7.6]}
                for i in range(3)
            ]
        },
        {
            "curves": [
                {"phase": "p", "points": []},
                {"phase": "q", "points": [{"step": 1, "loss": None}, {"step": 2, "loss": float("nan")}]},
            ]
        },
        {"curves": [{"phase": "p", "points": [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 0.0}]}]},
        {"curriculum": [{"phase": "p"}, {"phase": "q", "prompts": 0, "kept": 0}], "stages": [{"name": "s"}]},
        {"samples": [{"evaluator": "e", "task": "t"}], "unknown": "later versions may add fields"},
    ],
)
def test_missing_figures_are_dashes_not_failures(report: dict[str, Any], tmp_path: Path) -> None:
    assert Elements(page(report, tmp_path)).open == []
    for text in (printed(report, 80), (tmp_path / "report.html").read_text()):
        assert "nan" not in text
        assert "None" not in text
        assert "inf" not in text.replace("info", "")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_terminal_table_keeps_to_the_width_and_loses_no_figure(width: int) -> None:
    report = make_report()
    shown = printed(report, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "\u2026" not in shown  # nothing is cut off
    for row in report["scores"]:
        assert f"{100 * row['value']:.1f}" in shown
        assert all(f"{100 * value:.1f}" in shown for value in row["references"].values())
        if row["subject"] == "student":
            assert "\u2013".join(f"{100 * bound:.1f}" for bound in row["ci95"]) in shown


def test_the_stages_say_what_came_from_the_store_and_what_the_rest_took() -> None:
    shown = printed(make_report(), 80)
    assert re.search(r"ask/assistant +1b7e61aa +cached", shown)
    assert re.search(r"fit/assistant +77aa61aa +3 min 41 s", shown)
    assert re.search(r"all +4 min 20 s", shown)


def test_a_report_is_read_from_its_run_directory_or_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", make_report())
    assert load(run) == load(run / "report.json")
    assert load(run).scores[0].evaluator == "reasoning"


def test_a_missing_report_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no report\.json"):
        load(tmp_path)
    with pytest.raises(UserError, match="nowhere does not exist"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"scores": [', r"report\.json:1: not JSON"),
        ("[]", r"report\.json: not a report"),
        (
            '{"scores": [{"task": "t"}], "stages": [{"name": 3}]}',
            r"scores\.0\.evaluator: field required\n  stages\.0\.name",
        ),
    ],
)
def test_a_malformed_report_says_what_is_wrong_and_where(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_items_are_read_by_evaluator_subject_task_and_metric(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text('{"bbh/student/a/b/accuracy": {"x": 1}}')
    assert load_items(tmp_path) == {("bbh", "student", "a/b", "accuracy"): {"x": 1.0}}
    (tmp_path / "items.json").write_text('{"bbh": {"x": 1}}')
    with pytest.raises(DataError, match=r"items\.json: expected"):
        load_items(tmp_path)


def test_the_same_report_gives_the_same_page(tmp_path: Path) -> None:
    assert page(make_report(), tmp_path) == page(make_report(), tmp_path)


def test_a_phase_shows_how_many_answers_were_correct_and_how_many_prompts_got_none(tmp_path: Path) -> None:
    text = page(make_report(), tmp_path)
    assert "80.8 %" in text
    assert ">of 16,000<" in text
    assert "7 without an answer" in text
