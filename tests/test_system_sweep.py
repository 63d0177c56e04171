"""The evaluator ``system-sweep``: a message chosen on held-out questions is scored fairly, the best on the test part is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from pydantic import ValidationError
from toy_project import TOY_RUN

from orca_core.component import Context
from orca_core.errors import ConfigError, UserError
from orca_core.parts import resolve
from orca_core.plugins import load
from orca_core.records import Prompt, Query, Score, Trace
from orca_core.stats import proportion_score
from orca_core.system_sweep import SystemSweep, SystemSweepConfig
from orca_core.testing.contracts import check_evaluator, make_context

MESSAGES = {"empty": "", "follow": "Follow.", "detail": "In detail."}


class Flips:
    """Questions whose answers are right (``1``) or wrong (``0``)."""

    def __init__(self, n: int, tasks: tuple[str, ...] = ("flips",), samples: int = 1) -> None:
        self._queries = [Query(f"{task} {i}", task, target="1") for task in tasks for i in range(n)]
        self._samples = samples

    def prompts(self) -> Iterator[Prompt]:
        return (Prompt(query, "its own", sample=s) for query in self._queries for s in range(self._samples))

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        tasks: dict[str, dict[str, bool]] = {}
        for trace in traces:
            tasks.setdefault(trace.prompt.query.task, {})[trace.prompt.id] = trace.text == "1"
        for task, outcomes in tasks.items():
            yield proportion_score(task, outcomes, chance=0.5, format_ok=1.0)


def sweep(of: Flips, **config: object) -> SystemSweep:
    return SystemSweep(SystemSweepConfig.model_validate({"of": {}, "messages": MESSAGES} | config), of)


def scored(evaluator: SystemSweep, right: dict[str, float], rng: Random) -> dict[tuple[str, str], Score]:
    """Scores by (task, metric) where each message has a chance of its own to be answered rightly."""
    traces = (
        Trace(prompt, str(int(rng.random() < right[prompt.system])), "simulated") for prompt in evaluator.prompts()
    )
    return {(score.task, score.metric): score for score in evaluator.score(traces)}


def test_every_question_is_asked_with_every_message_and_none_with_the_evaluators_own() -> None:
    prompts = list(sweep(Flips(10)).prompts())
    assert [prompt.system for prompt in prompts[:3]] == list(MESSAGES.values())
    assert len({prompt.id for prompt in prompts}) == len(prompts) == 30


def test_of_equal_messages_the_one_chosen_on_held_out_questions_is_unbiased_and_the_best_on_test_is_not() -> None:
    evaluator, rng, truth = sweep(Flips(60)), Random(1), 0.6
    rounds = [scored(evaluator, dict.fromkeys(MESSAGES.values(), truth), rng) for _ in range(150)]
    chosen, best, optimism = (
        np.array([found["flips", f"accuracy ({kind})"].value for found in rounds])
        for kind in ("chosen on held-out", "best on test, optimistic", "optimism of the best")
    )
    error = chosen.std() / np.sqrt(len(rounds))
    assert abs(chosen.mean() - truth) < 3 * error
    n = rounds[0]["flips", "accuracy (best on test, optimistic)"].n
    # The mean of the largest of three normal figures is 0.846 standard deviations above the mean (Tippett 1925).
    assert best.mean() - truth == pytest.approx(0.846 * np.sqrt(truth * (1 - truth) / n), rel=0.25)
    assert best.mean() - truth > 6 * error
    assert np.allclose(optimism, best - chosen)
    assert (optimism >= 0).all()
    covered = [low <= truth <= high for low, high in (f["flips", "accuracy (chosen on held-out)"].ci95 for f in rounds)]
    assert 0.92 <= np.mean(covered) <= 0.99


def test_a_message_that_is_better_is_chosen_task_by_task_and_scored_on_the_test_part_alone() -> None:
    evaluator = sweep(Flips(200, ("a", "b")), held_out=0.25)
    found = scored(evaluator, {"": 0.2, "Follow.": 0.5, "In detail.": 0.9}, Random(2))
    for task in "ab":
        score = found[task, "accuracy (chosen on held-out)"]
        assert score.note == "detail"
        assert (
            score.value
            == found[task, "accuracy (detail)"].value
            == found[task, "accuracy (best on test, optimistic)"].value
        )
        assert 120 <= score.n <= 180
        assert (found[task, "accuracy (optimism of the best)"].value, score.chance) == (0.0, 0.5)


def test_questions_of_one_cluster_fall_to_one_part() -> None:
    class Passages(Flips):
        def prompts(self) -> Iterator[Prompt]:
            for index, prompt in enumerate(super().prompts()):
                yield replace(prompt, query=replace(prompt.query, meta={"cluster": f"passage {index // 5}"}))

    found = scored(sweep(Passages(100)), dict.fromkeys(MESSAGES.values(), 1.0), Random(3))
    assert found["flips", "accuracy (empty)"].n % 5 == 0


def test_samples_of_a_question_are_scored_together() -> None:
    found = scored(sweep(Flips(40, samples=3)), {"": 1.0, "Follow.": 0.0, "In detail.": 0.0}, Random(4))
    assert found["flips", "accuracy (chosen on held-out)"].n % 3 == 0


def test_too_few_questions_for_both_parts_are_told_before_anything_is_asked() -> None:
    with pytest.raises(UserError, match=r"system-sweep: of task 'flips', \d questions .* change held_out=0\.9"):
        list(sweep(Flips(3), held_out=0.9).prompts())


def test_raw_text_which_has_no_system_message_cannot_be_swept() -> None:
    class Raw(Flips):
        def prompts(self) -> Iterator[Prompt]:
            return (replace(prompt, system="", decoding={"raw": True}) for prompt in super().prompts())

    with pytest.raises(UserError, match="'flips' asks with raw text"):
        list(sweep(Raw(10)).prompts())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"messages": {"a": "x"}}, "at least 2"),
        ({"messages": {"a": "x", "b": "x"}}, "'a' and 'b' are the same message"),
        ({"messages": {"a/b": "x", "b": "y"}}, "should match pattern"),
        ({"held_out": 1.0}, "less than 1"),
    ],
)
def test_a_sweep_without_a_choice_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        sweep(Flips(10), **config)


def test_an_evaluator_of_any_plugin_can_be_swept(tmp_path: Path) -> None:
    node = {"name": "system-sweep", "of": {"name": "reasoning", "n": 12}, "messages": MESSAGES}
    context: Context = make_context(tmp_path)
    check_evaluator(resolve(load(), "evaluator", node, where="evaluator.system-sweep").build(context))


def test_what_is_wrong_with_the_evaluator_within_is_told_under_its_key() -> None:
    node = {"name": "system-sweep", "of": {"name": "reasoning", "m": 12}, "messages": MESSAGES}
    with pytest.raises(ConfigError, match=r"evaluator\.system-sweep\.of\.m: unknown key"):
        resolve(load(), "evaluator", node, where="evaluator.system-sweep")


def test_a_run_with_the_messages_of_table_9_shows_what_was_chosen(project) -> None:
    result = project.orca(
        "run", *TOY_RUN[:3], "curriculum=single", "evaluator=[table-9]", "+evaluator@evaluator.system-sweep.of=all-sums"
    )
    assert result.returncode == 0, result.stderr
    run = project.reports()[0].parent
    rows = json.loads((run / "report.json").read_text())["scores"]
    metrics = [row["metric"] for row in rows if row["subject"] == "student" and row["task"] == "average"]
    assert metrics == [
        f"accuracy ({name})"
        for name in (
            "empty",
            "follow-well",
            "detailed-answer",
            "best on test, optimistic",
            "optimism of the best",
            "chosen on held-out",
        )
    ]
    page = (run / "report.html").read_text()
    assert '<small class="said">empty</small>' in page
    assert "chosen on held-out" in result.stdout
    assert re.search(r"low: empty; high: empty", result.stdout)
