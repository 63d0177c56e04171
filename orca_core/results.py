"""What a run leaves behind in its directory: report.json, items.json, manifest.json (and, from them, report.html)."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from orca_core.config import OWN, RunConfig
from orca_core.graph import Graph, Stage
from orca_core.pipeline import Outcome, totals
from orca_core.plugins import Plugins
from orca_core.records import Prompt, Score, Trace
from orca_core.redaction import redacted
from orca_core.report.disagreement import disagreement
from orca_core.report.model import BASE, STUDENT, VALIDATION
from orca_core.report.paired import by_query, compare_subjects
from orca_core.report.slots import data_sections, message_names
from orca_core.report.subjects import Disagreement, Paired
from orca_core.stats import macro_average
from orca_core.store import Slot
from orca_core.tables import read_traces
from orca_core.work import read_scores

CURVE_POINTS: Final = 200
SAMPLES_PER_TASK: Final = 2
ASKED: Final = ("prompt_tokens", "completion_tokens", "cost_usd", "judged", "correct", "dead_letters")
"""Facts of an ask stage that its phase's row shows."""
LIBRARIES: Final = ("pluggy", "pydantic", "hydra-core", "torch", "transformers", "litellm", "lightning", "datasets")


def report(
    run: RunConfig, graph: Graph, outcomes: list[Outcome], plugins: Plugins, overrides: list[str]
) -> dict[str, Any]:
    """The content of report.json (see DESIGN section 8), all that the terminal tables and the HTML page are made from."""
    slots = {outcome.stage.key: outcome.slot for outcome in outcomes}
    scored = {where: read_scores(slots[stage.key]) for where, stage in graph.scores.items()}
    return draw_report(run, graph, outcomes, plugins, overrides) | {
        "scores": [row for where, scores in scored.items() for row in _score_rows(*where, scores)],
        **_subject_sections(graph, slots, scored),
        "curriculum": [_phase_row(run, graph, slots, index) for index in range(len(run.phases))],
        "curves": [
            {"phase": name, "points": points}
            for name, stages in graph.phases.items()
            if (points := _curve(slots[stages["fit"].key]))
        ],
        "samples": [
            sample
            for (subject, evaluator), stage in graph.scores.items()
            for sample in _samples(subject, evaluator, slots[stage.inputs["traces"].key], scored[subject, evaluator])
        ],
    }


def _subject_sections(
    graph: Graph, slots: Mapping[str, Slot], scored: Mapping[tuple[str, str], list[Score]]
) -> dict[str, list[dict[str, Any]]]:
    """``comparisons`` and ``disagreement``: the subjects against each other, evaluator by evaluator."""
    compared: list[Paired] = []
    parted: list[Disagreement] = []
    for evaluator in dict.fromkeys(evaluator for _, evaluator in graph.scores):
        stages = {s: stage for (s, e), stage in graph.scores.items() if e == evaluator}
        scores = {subject: scored[subject, evaluator] for subject in stages}
        prompts = _asked(slots, next(iter(stages.values())))
        compared += compare_subjects(evaluator, scores, prompts)
        for teacher in [subject for subject in stages if STUDENT in stages and subject not in (STUDENT, BASE)]:
            mine, theirs = (slots[stages[s].inputs["traces"].key] for s in (STUDENT, teacher))
            traces = (read_traces(mine.files("traces-*.parquet")), read_traces(theirs.files("traces-*.parquet")))
            pair = (scores[STUDENT], scores[teacher])
            parted += disagreement(evaluator, (STUDENT, teacher), pair, prompts, traces)
    return {
        "comparisons": [row.model_dump(mode="json") for row in compared],
        "disagreement": [section.model_dump(mode="json") for section in parted],
    }


def draw_report(
    run: RunConfig, graph: Graph, outcomes: list[Outcome], plugins: Plugins, overrides: list[str]
) -> dict[str, Any]:
    """The content of report.json that needs no answers: what was drawn, and of what is there, what became of it."""
    slots = {outcome.stage.key: outcome.slot for outcome in outcomes}
    phases = {name: {kind: slots[stage.key] for kind, stage in stages.items()} for name, stages in graph.phases.items()}
    names = {text: name for phase in run.phases for text, name in message_names(phase.sampler.node)}
    return {
        "name": run.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "stages": [_stage_row(outcome) for outcome in outcomes],
        **data_sections(phases, names),
        "versions": versions(plugins),
        "config": redacted(run.resolved),
        "overrides": redacted(list(overrides)),
        "store": str(run.store),
    }


def items(graph: Graph, outcomes: list[Outcome]) -> dict[str, Mapping[str, float]]:
    """The content of items.json: every item's value by query id, per evaluator/subject/task/metric, for paired tests."""
    slots = {outcome.stage.key: outcome.slot for outcome in outcomes}
    found: dict[str, Mapping[str, float]] = {}
    for (subject, evaluator), stage in graph.scores.items():
        prompts = _asked(slots, stage)
        for score in read_scores(slots[stage.key]):
            found[f"{evaluator}/{subject}/{score.task}/{score.metric}"] = by_query(score.items, prompts)
    return found


def clusters(graph: Graph, outcomes: list[Outcome]) -> dict[str, str]:
    """The content of clusters.json: the cluster of every query that names one, by query id, for the tests between runs."""
    slots = {outcome.stage.key: outcome.slot for outcome in outcomes}
    stages = {evaluator: stage for (_, evaluator), stage in graph.scores.items()}
    queries = (prompt.query for stage in stages.values() for prompt in _asked(slots, stage).values())
    return {query.id: query.cluster for query in queries if query.cluster != query.id}


def _asked(slots: Mapping[str, Slot], score: Stage) -> dict[str, Prompt]:
    """What was asked to come to a score, by prompt id."""
    answers = read_traces(slots[score.inputs["traces"].key].files("traces-*.parquet"))
    return {trace.prompt.id: trace.prompt for trace in answers}


def manifest(run: RunConfig, outcomes: list[Outcome], plugins: Plugins, overrides: list[str]) -> dict[str, Any]:
    """The content of manifest.json: all that someone needs to repeat the run, and what it cost."""
    facts = {outcome.stage.name: outcome.slot.done or {} for outcome in outcomes}
    return {
        "config": redacted(run.resolved),
        "overrides": redacted(list(overrides)),
        "seed": run.seed,
        "versions": versions(plugins),
        "components": {f"{part.kind}/{part.component.name}": part.component.version for part in _parts(run)},
        "stages": {outcome.stage.name: f"{outcome.stage.kind}/{outcome.stage.key}" for outcome in outcomes},
        "datasets": {name: fact["fingerprint"] for name, fact in facts.items() if "fingerprint" in fact},
        "provenance": {name: fact["provenance"] for name, fact in facts.items() if "provenance" in fact},
        "totals": dict(totals(outcomes)),
    }


def versions(plugins: Plugins) -> dict[str, str]:
    """Versions of Python, the libraries that results depend on, and every plugin in use."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {plugin.distribution: plugin.version for plugin in plugins.plugins if not plugin.error}


def _parts(run: RunConfig) -> Iterable[Any]:
    for phase in run.phases:
        yield from filter(None, (phase.sampler, phase.teacher, *phase.selectors.values(), phase.student))
    yield from run.evaluators.values()


def _score_rows(subject: str, evaluator: str, scores: list[Score]) -> list[dict[str, Any]]:
    metrics = dict.fromkeys(score.metric for score in scores)
    averages = [macro_average(group) for m in metrics if len(group := [s for s in scores if s.metric == m]) > 1]
    rows = [asdict(score) for score in (*scores, *averages)]
    return [
        {"subject": subject, "evaluator": evaluator} | {k: v for k, v in row.items() if k != "items"} for row in rows
    ]


def _stage_row(outcome: Outcome) -> dict[str, Any]:
    stage = outcome.stage
    return {
        "name": stage.name,
        "key": stage.key,
        "cached": outcome.cached,
        "seconds": outcome.seconds,
        "path": str(outcome.slot.path),
    }


def _phase_row(run: RunConfig, graph: Graph, slots: Mapping[str, Slot], index: int) -> dict[str, Any]:
    phase = run.phases[index]
    stages = graph.phases[phase.name]
    asked, kept = slots[stages["ask"].key].done or {}, slots[stages["select"].key].done or {}
    return {
        "phase": phase.name,
        "teacher": phase.teacher.component.name if phase.teacher else OWN,
        "prompts": asked.get("traces"),
        "kept": kept.get("traces"),
        "dropped": kept.get("dropped", {}),
        "epochs": phase.epochs,
        **{name: asked.get(name) for name in ASKED},
    }


def _curve(slot: Slot) -> list[dict[str, Any]]:
    """The training figures, thinned; those on held-out questions, of which there are few, apart from those of the steps."""
    path = slot.path / "metrics.jsonl"
    points = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kinds = ([i for i, p in enumerate(points) if (VALIDATION in p) is held_out] for held_out in (False, True))
    return [points[i] for i in sorted(i for kind in kinds for i in _thinned(kind))]


def _thinned(places: list[int]) -> list[int]:
    """Evenly, with the last one."""
    every = max(1, -(-len(places) // CURVE_POINTS))
    return places[::-1][::every]


def _samples(subject: str, evaluator: str, answers: Slot, scores: list[Score]) -> Iterable[dict[str, Any]]:
    """The first traces of each task, with what the evaluator made of them."""
    values = {prompt_id: value for score in scores for prompt_id, value in score.items.items()}
    seen: dict[str, int] = {}
    for trace in read_traces(answers.files("traces-*.parquet")):
        task = trace.prompt.query.task
        seen[task] = seen.get(task, 0) + 1
        if seen[task] <= SAMPLES_PER_TASK:
            yield _sample(subject, evaluator, trace, values.get(trace.prompt.id))


def _sample(subject: str, evaluator: str, trace: Trace, value: float | None) -> dict[str, Any]:
    query = trace.prompt.query
    return {
        "subject": subject,
        "evaluator": evaluator,
        "task": query.task,
        "system": trace.prompt.system,
        "query": query.text,
        "response": trace.text,
        "target": query.target,
        "correct": value,
        "finish_reason": trace.finish_reason,
    }
