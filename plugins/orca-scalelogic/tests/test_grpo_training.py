"""Fits: rewards raise what they reward, a cut training ends in the same bits, levels grow, a target ends it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from orca_lightning.job import Job
from orca_lightning.training.worker import train
from orca_scalelogic import GRPO, GrpoConfig
from orca_scalelogic.grpo.config import Levels
from orca_scalelogic.grpo.levels import UpperDepth, depths_of
from orca_scalelogic.grpo.student import GrpoStudent
from transformers import AutoModelForCausalLM

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace

Puzzles = Callable[..., list[Trace]]


def changed(config: GrpoConfig, **told: Any) -> GrpoConfig:
    return GRPO.config(**{**config.model_dump(), **told})


def fit(
    config: GrpoConfig,
    out: Path,
    examples: list[Trace],
    context: Context,
    *,
    epochs: int = 2,
    init: Path | None = None,
    stop: int | None = None,
) -> Job:
    """Train in this process; with ``stop``, cut after so many steps and go on."""
    job = Job(config, epochs, init, out, 7)
    job.work.mkdir(parents=True)
    GrpoStudent(config, context).prepare(job, examples)
    job = Job.read(job.write())

    def cut(**facts: Any) -> None:
        if facts.get("step") == stop and "loss" in facts:
            raise InterruptedError

    if stop is not None:
        with pytest.raises(InterruptedError):
            train(job, cut)
    train(job)
    return job


def told(job: Job, figure: str = "loss") -> list[dict[str, float]]:
    lines = [json.loads(line) for line in job.metrics.read_text().splitlines()]
    return [line for line in lines if figure in line]


def difference(one: Job, other: Job) -> float:
    first, second = (AutoModelForCausalLM.from_pretrained(job.checkpoint).state_dict() for job in (one, other))
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def letters(count: int, answers: str = "ab") -> list[Trace]:
    """Questions about nothing, whose answer is always ``a``; answers show both letters. The core's verifier judges them."""
    return [
        Trace(Prompt(Query(f"{i % 7} {i % 5} {i}", "letters", target="a")), answers[i % len(answers)], model="test")
        for i in range(count)
    ]


@pytest.fixture
def warm(config: GrpoConfig, context: Context, tmp_path: Path) -> Path:
    """A student that answers ``a`` or ``b``, one as often as the other."""
    return fit(changed(config, objective="sft"), tmp_path / "warm", letters(32), context, epochs=3).checkpoint


def test_rewards_raise_what_they_reward_from_a_warm_start(
    config: GrpoConfig, warm: Path, context: Context, tmp_path: Path
) -> None:
    # the teacher's answers are all wrong: it learns from its own
    rewarded = changed(config, learning_rate=3e-3)
    job = fit(rewarded, tmp_path / "fit", letters(48, "b"), context, epochs=2, init=warm)
    steps = told(job)
    assert 0.2 < steps[0]["reward"] < 0.8
    assert np.mean([line["reward"] for line in steps[-4:]]) > 0.9
    assert steps[0]["clipped"] == 0, "the policy is the one that drew the answers"
    assert steps[-1]["dropped"] > steps[0]["dropped"]
    assert all(0 < line["response_length"] <= 8 for line in steps)


def test_a_training_that_is_cut_inside_a_round_ends_in_the_same_bits(
    config: GrpoConfig, warm: Path, context: Context, tmp_path: Path
) -> None:
    method = changed(config, refresh=3, kl_weight=0.1)
    whole = fit(method, tmp_path / "whole", letters(32), context, epochs=1, init=warm)
    cut = fit(method, tmp_path / "cut", letters(32), context, epochs=1, init=warm, stop=5)
    assert len(told(whole)) == 8
    assert difference(whole, cut) == 0
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()
    assert told(whole)[2]["clipped"] > 0, "the third update of a round is off policy"
    assert told(whole)[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert told(whole)[-1]["kl"] > 1e-4


@pytest.mark.parametrize("objective", ["grpo", "sft"])
def test_levels_grow_with_accuracy_and_are_known_to_a_resumed_training(
    config: GrpoConfig, puzzles: Puzzles, context: Context, tmp_path: Path, objective: str
) -> None:
    # every answer is right: whatever it says is the target
    def easy(example: Trace) -> Trace:
        meta = {"depth": example.prompt.query.meta["depth"]}
        asked = Query(example.prompt.query.text[:60], "any", target="a", meta=meta)
        return replace(example, prompt=Prompt(asked), text="a")

    examples = [easy(example) for example in puzzles(32)]
    able = fit(changed(config, objective="sft"), tmp_path / "able", examples, context, epochs=3).checkpoint
    held_out = {"share": 0.25, "every": 2}
    growing = changed(config, objective=objective, levels=Levels(), refresh=2, validation=held_out)
    whole, cut = (
        fit(growing, tmp_path / name, examples, context, epochs=1, init=able, stop=stop)
        for name, stop in (("whole", None), ("cut", 5))
    )
    assert [line["upper_depth"] for line in told(whole)][:4] == [1, 1, 2, 2]
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()


def test_the_upper_depth_grows_at_seven_tenths_and_telling_it_twice_changes_nothing(tmp_path: Path) -> None:
    upper = UpperDepth(tmp_path / "levels.json", Levels(start=1, step=2), 4)
    upper.told(5, 0.69)
    assert upper.at(9) == 1
    upper.told(9, 0.7)
    upper.told(12, 0.9)
    for again in (upper, UpperDepth(tmp_path / "levels.json", Levels(start=1, step=2), 4)):
        assert [again.at(step) for step in (0, 8, 9, 11, 12, 99)] == [1, 1, 3, 3, 4, 4]
        again.told(9, 0.7)
        assert again.at(11) == 3


def test_questions_without_a_depth_have_no_levels() -> None:
    with pytest.raises(UserError, match=r"student.levels goes by the depth.*student.levels=null"):
        depths_of(letters(2))


def test_a_target_ends_the_training_at_the_measurement_that_reaches_it(
    config: GrpoConfig, context: Context, tmp_path: Path
) -> None:
    measured = changed(config, objective="sft", validation={"share": 0.25, "every": 2}, target=0.9)
    job = fit(measured, tmp_path / "fit", letters(48, "a"), context, epochs=20)
    figures = told(job, "accuracy")
    assert figures[0]["accuracy"] < 0.5
    assert [line["accuracy"] >= 0.9 for line in figures[-2:]] == [False, True]
    assert figures[-1]["step"] == told(job)[-1]["step"] < 100
    assert figures[-1]["questions"] >= 6


def test_without_gold_answers_it_says_what_is_missing(config: GrpoConfig, context: Context, tmp_path: Path) -> None:
    bare = [replace(t, prompt=Prompt(replace(t.prompt.query, target=None))) for t in letters(4)]
    with pytest.raises(UserError, match="no example's query has a target"):
        GRPO.build(config, context).fit(bare, epochs=1, init=None, out=tmp_path / "fit")


@pytest.mark.parametrize(
    ("told_", "why"),
    [
        ({"strategy": "fsdp"}, "strategy=single"),
        ({"token_budget": 1000}, "give epochs"),
        ({"packing": "naive"}, "best-fit"),
        ({"lora": {"dropout": 0.1}}, "set it to 0"),
        ({"target": 0.9}, "set validation.share"),
        ({"clip": (0.2, 0.0)}, "not \\[low, high\\]"),
    ],
)
def test_what_is_not_supported_is_refused_with_the_reason(told_: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        GrpoConfig(**told_)


def test_the_first_update_of_a_fit_is_the_policy_gradient(
    config: GrpoConfig, warm: Path, context: Context, tmp_path: Path
) -> None:
    # log-probabilities of the rollouts, which a key-value memory made, are those of training
    from orca_lightning.methods import Sampling, rollouts
    from orca_lightning.methods.sequences import corpus_of, token_losses
    from orca_lightning.network.loss import ResponseLoss
    from orca_lightning.network.model import load_model
    from orca_lightning.text.encoding import encode_prompts
    from orca_lightning.text.tokenizer import load_tokenizer

    model, tokenizer = load_model(warm), load_tokenizer(warm)
    prompts = encode_prompts(tokenizer, [example.prompt for example in letters(4)])
    drawn = rollouts(model, tokenizer, prompts, [[1, i] for i in range(4)], Sampling(2, 8, 256))
    pairs = [(prompt, one) for prompt, some in zip(prompts, drawn, strict=True) for one in some]
    corpus = corpus_of([([*p, *o.tokens], [*[False] * len(p), *[True] * len(o.tokens)]) for p, o in pairs])
    losses = token_losses(ResponseLoss(model), corpus, row_tokens=256, rows=4, device=torch.device("cpu"))
    old = np.concatenate([one.logprobs for _, one in pairs])
    assert losses[corpus.supervised] == pytest.approx(-old, abs=1e-4)
