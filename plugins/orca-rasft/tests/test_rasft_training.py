"""Fits: what they come down to in the limits, that they resume exactly, and what they learn from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from orca_lightning import LightningConfig
from orca_lightning.job import Job
from orca_lightning.methods import Rollout, kept
from orca_lightning.student import LightningStudent
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.worker import train
from orca_rasft import RASFT, RasftConfig
from orca_rasft.rounds import Round, Rounds
from orca_rasft.student import RasftStudent
from transformers import AutoModelForCausalLM

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace
from orca_core.verify import AnswerVerifier, Judge

Chains = Callable[..., list[Trace]]


def fit(
    config: LightningConfig,
    out: Path,
    examples: list[Trace],
    context: Context,
    *,
    epochs: int = 2,
    init: Path | None = None,
    stop: int | None = None,
) -> Job:
    """Train in this process; with ``stop``, cut after so many steps and go on."""
    student = (RasftStudent if isinstance(config, RasftConfig) else LightningStudent)(config, context)
    job = Job(config, epochs, init, out, 7)
    job.work.mkdir(parents=True)
    student.prepare(job, examples)
    job = Job.read(job.write())

    def cut(**facts: Any) -> None:
        if facts.get("step") == stop and "loss" in facts:
            raise InterruptedError

    if stop is not None:
        with pytest.raises(InterruptedError):
            train(job, cut)
    train(job)
    return job


def weights(job: Job) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(job.checkpoint).state_dict()
    return state


def difference(one: Job, other: Job) -> float:
    first, second = weights(one), weights(other)
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def told(job: Job) -> list[dict[str, float]]:
    return [json.loads(line) for line in job.metrics.read_text().splitlines()]


def assert_same_steps(one: Job, other: Job, *names: str) -> None:
    """The first step to 1e-6, before Adam has made anything of rounding; the others, and the weights, as far as it goes then."""
    for name in names:
        mine, theirs = ([line[name] for line in told(job)] for job in (one, other))
        assert mine[0] == pytest.approx(theirs[0], rel=1e-6), name
        assert mine == pytest.approx(theirs, rel=1e-4), name
    assert difference(one, other) < 1e-4, "a hundredth of a step of Adam's"


def changed(config: RasftConfig, **fields: Any) -> RasftConfig:
    return RasftConfig.model_validate({**config.model_dump(), **fields})


def always_one(count: int) -> list[Trace]:
    """Questions that are all answered alike, which a student learns in a few steps."""
    questions = [Query(f"what is {i}", "one", target="1") for i in range(count)]
    return [Trace(Prompt(query), "it is 1", "test") for query in questions]


@pytest.fixture
def plain(config: RasftConfig) -> LightningConfig:
    return LightningConfig(**config.model_dump(include=set(LightningConfig.model_fields)))


def test_with_equal_weights_a_fit_is_plain_fine_tuning(
    config: RasftConfig, plain: LightningConfig, chains: Chains, tmp_path: Path, context: Context
) -> None:
    # own answers of one token never end, so they are malformed, no problem has a right one, and every expert counts 1
    equal = changed(
        config,
        token_weight="none",
        ratio_clip=(1.0, 1.0),
        rollouts={**config.rollouts.model_dump(), "max_new_tokens": 1, "temperature": 0.01},
    )
    one, other = fit(equal, tmp_path / "equal", chains(), context), fit(plain, tmp_path / "plain", chains(), context)
    assert_same_steps(one, other, "loss", "grad_norm")
    assert all(line["weight_mean"] == 1 and line["weight_own"] == 0 for line in told(one))
    sft = fit(changed(config, objective="sft"), tmp_path / "sft", chains(), context)
    assert difference(sft, other) == 0


def test_other_objectives_have_plain_fine_tuning_as_their_limit(
    config: RasftConfig, plain: LightningConfig, chains: Chains, tmp_path: Path, context: Context
) -> None:
    other = fit(plain, tmp_path / "plain", chains(), context, epochs=1)
    kl, no_kl = (
        fit(changed(config, objective="kl", kl_weight=w), tmp_path / f"kl{w}", chains(), context, epochs=1)
        for w in (1.0, 0.0)
    )
    assert_same_steps(no_kl, other, "loss", "grad_norm")
    assert difference(kl, other) > 1e-3
    # a new round at every step: the ratio is 1 with the gradient of cross-entropy
    every = {"rollouts": {**config.rollouts.model_dump(), "refresh": 1}}
    proximal = fit(changed(config, objective="proximal", **every), tmp_path / "p", chains(), context, epochs=1)
    assert_same_steps(proximal, other, "grad_norm")


@pytest.mark.parametrize("objective", ["rasft", "proximal"])
def test_a_training_that_is_cut_inside_a_round_ends_in_the_same_bits(
    config: RasftConfig, chains: Chains, tmp_path: Path, context: Context, objective: str
) -> None:
    method = changed(config, objective=objective, mix="paper", drift_prompts=4)
    whole = fit(method, tmp_path / "whole", chains(), context, epochs=5)
    assert len(told(whole)) > 6
    cut = fit(method, tmp_path / "cut", chains(), context, epochs=5, stop=5)
    assert difference(whole, cut) == 0
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()
    assert told(whole)[-1]["drift"] > 0


def test_what_the_policy_can_do_it_learns_from_its_own_answers(
    config: RasftConfig, tmp_path: Path, context: Context
) -> None:
    able = fit(changed(config, objective="sft"), tmp_path / "able", always_one(24), context, epochs=30)
    told_of = {mix: fit(changed(config, mix=mix), tmp_path / mix, always_one(24), context, init=able.checkpoint)
               for mix in ("paper", "rejection")}  # fmt: skip
    for job in told_of.values():
        assert told(job)[0]["pass_rate"] > 0.7
        assert told(job)[0]["own_answers"] > 12
    assert told(told_of["paper"])[0]["weight_own"] > 0.6
    assert told(told_of["rejection"])[0]["weight_own"] > 0.9


def test_without_gold_answers_it_says_what_is_missing(
    config: RasftConfig, chains: Chains, tmp_path: Path, context: Context
) -> None:
    bare = [replace(t, prompt=Prompt(replace(t.prompt.query, target=None))) for t in chains(4)]
    with pytest.raises(UserError, match=r"no example's query has a target.*student.objective=sft"):
        RASFT.build(config, context).fit(bare, epochs=1, init=None, out=tmp_path / "fit")


def test_a_fit_runs_in_a_child_process_and_answers(
    config: RasftConfig, chains: Chains, tmp_path: Path, context: Context
) -> None:
    student = RASFT.build(changed(config, mix="paper"), context)
    examples = chains(12)
    student.fit(examples, epochs=1, init=None, out=tmp_path / "fit")
    assert sorted(path.name for path in (tmp_path / "fit").iterdir()) == ["checkpoint", "metrics.jsonl"]
    answers = list(student.load(tmp_path / "fit" / "checkpoint").respond([examples[0].prompt]))
    assert len(answers) == 1


def rollout(text: str, ended: bool = True) -> Rollout:
    return Rollout(tuple(range(5, 5 + len(text.split()))), text, ended, ())


def test_a_round_keeps_right_answers_once_and_what_is_malformed_never(
    config: RasftConfig, chains: Chains, tmp_path: Path, context: Context
) -> None:
    examples = chains(3)
    job = Job(config, 1, None, tmp_path / "fit", 7)
    job.work.mkdir(parents=True)
    RasftStudent(config, context).prepare(job, examples)
    corpus = Corpus.open(job.corpus)
    first = examples[0].prompt.query.target or ""
    rounds = Rounds(job.own, changed(config, mix="paper"), corpus, examples, Judge(lambda name: AnswerVerifier()))
    answers = [f"1 2 3 ; {first}", f"1 2 3 ; {first}", f"7 8 9 ; {first}", f"4 4 ; {first} x", "9 9 9 ; 9 9 77"]
    given = [*map(rollout, answers), rollout(f"2 2 2 ; {first}", ended=False)]
    made = rounds.with_answers(np.array([0, 2]), {0: given})
    assert made.problem.tolist() == [0, 2, 0, 0, 0]
    assert made.own.tolist() == [False, False, True, True, True]
    # five distinct ones, one of them cut off, three right
    assert made.advantage.tolist() == pytest.approx([0.4, 1.0, 0.2, 0.2, 0.2])
    assert made.corpus.targets[2:].tolist() == [len(a.split()) for a in (answers[0], *answers[2:4])]
    again = Round.of(kept(tmp_path / "round.npz", lambda: made.arrays))
    assert again.of_problems([2, 0, 2]).tolist() == [1, 0, 2, 3, 4, 1]
    assert again.facts == made.facts
    assert np.array_equal(again.corpus.ids, made.corpus.ids)


def test_sharding_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="rollouts and the reference need the whole model"):
        RasftConfig(strategy="fsdp")
