"""The evaluator on our responders against lm-eval's own Hugging Face backend: the same checkpoint, the same tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from orca_lightning import LIGHTNING
from orca_lm_eval import LM_EVAL
from orca_transformers import TRANSFORMERS

from orca_core.protocols import Responder
from orca_core.records import Score, Trace
from orca_core.testing import build, make_context

ASKED = ("made_options", "made_mutual", "made_contexts", "made_letters", "made_last", "made_written")


@pytest.fixture(scope="module")
def theirs(folder: Path, checkpoint: Path) -> dict[str, Any]:
    """What ``simple_evaluate`` says."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = HFLM(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=8)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return dict(simple_evaluate(model, tasks=list(ASKED), task_manager=manager, bootstrap_iters=0))


@pytest.fixture(scope="module", params=["student", "transformers"])
def ours(
    request: pytest.FixtureRequest, folder: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[tuple[str, str], Score], list[Trace]]:
    """Scores by task and metric, and the traces they are of."""
    context = make_context(tmp_path_factory.mktemp("cache"))
    evaluator = build(LM_EVAL, context, tasks=ASKED, include_path=[folder])
    responder: Responder
    if request.param == "student":
        responder = build(LIGHTNING, context).load(checkpoint)
    else:
        responder = build(TRANSFORMERS, context, model=checkpoint, dtype="float32")
    traces = list(responder.respond(evaluator.prompts()))
    return {(score.task, score.metric): score for score in evaluator.score(iter(traces))}, traces


def samples(theirs: dict[str, Any], task: str, filter_: str = "none") -> Iterator[dict[str, Any]]:
    return (sample for sample in theirs["samples"][task] if sample["filter"] == filter_)


def test_scores_are_those_of_lm_eval(theirs, ours):
    scores, _ = ours
    compared = 0
    for task in ASKED:
        for key, value in theirs["results"][task].items():
            metric, comma, filter_ = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                score = scores[task, metric if filter_ == "none" else key]
                assert score.value == pytest.approx(value, rel=1e-4), (task, key)
                assert score.n == 40
                compared += 1
    assert compared == len(scores) == 11


def test_likelihoods_and_greediness_of_every_continuation_are_those_of_lm_eval(theirs, ours):
    _, traces = ours
    found: dict[tuple[str, str, str], tuple[float, bool]] = {}
    for trace in traces:
        for place, choice in enumerate(trace.prompt.choices):
            told = trace.choice_logprobs[place], trace.choice_greedy[place]
            found[trace.prompt.query.task, trace.prompt.query.text, choice] = told
    pairs: list[tuple[tuple[float, bool], tuple[float, bool]]] = []
    for task in ASKED[:-1]:
        for sample in samples(theirs, task):
            mine = [found[task, context, continuation] for context, continuation in sample["arguments"]]
            other = [resps[0] for resps in sample["resps"]]
            pairs += zip(mine, other, strict=True)
            assert mine.index(max(mine)) == other.index(max(other)), sample["arguments"]
    assert len(pairs) > 1900
    assert [a[0] for a, _ in pairs] == pytest.approx([b[0] for _, b in pairs], abs=1e-4)
    assert [a[1] for a, _ in pairs] == [b[1] for _, b in pairs]
    assert any(a[1] for a, _ in pairs)


def test_greedy_answers_are_those_of_lm_eval(theirs, ours):
    _, traces = ours
    found = {trace.prompt.query.text: trace.text for trace in traces if trace.prompt.query.task == "made_written"}
    asked = {one["arguments"][0][0]: one["resps"][0][0] for one in samples(theirs, "made_written", "whole")}
    assert found == asked
    assert len(set(found.values())) > 20
    assert any(trace.finish_reason == "stop" for trace in traces if not trace.prompt.choices)
