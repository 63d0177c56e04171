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
from orca_lightning.student import LightningStudent
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.start import starting_point
from orca_lightning.training.steps import Plan, micro_batch
from orca_lightning.training.worker import train
from orca_vcrd import VCRD, VcrdConfig
from orca_vcrd.student import VcrdStudent
from orca_vcrd.training import VcrdTraining
from transformers import AutoModelForCausalLM

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace

Chains = Callable[..., list[Trace]]
Configured = Callable[..., VcrdConfig]


def prepared(config: LightningConfig, out: Path, examples: list[Trace], context: Context, epochs: int = 2) -> Job:
    student = (VcrdStudent if isinstance(config, VcrdConfig) else LightningStudent)(config, context)
    job = Job(config, epochs, None, out, 7)
    job.work.mkdir(parents=True)
    student.prepare(job, examples)
    return Job.read(job.write())


def fit(
    config: LightningConfig,
    out: Path,
    examples: list[Trace],
    context: Context,
    *,
    stop: int | None = None,
    epochs: int = 2,
) -> Job:
    """Train in this process; with ``stop``, cut after so many steps and go on."""
    job = prepared(config, out, examples, context, epochs)

    def cut(**facts: Any) -> None:
        if facts.get("step") == stop and "loss" in facts:
            raise InterruptedError

    if stop is not None:
        with pytest.raises(InterruptedError):
            train(job, cut)
    train(job)
    return job


def difference(one: Job, other: Job) -> float:
    first, second = (AutoModelForCausalLM.from_pretrained(job.checkpoint).state_dict() for job in (one, other))
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def told(job: Job) -> list[dict[str, float]]:
    return [json.loads(line) for line in job.metrics.read_text().splitlines()]


def test_where_both_are_valid_a_fit_is_plain_fine_tuning(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context
) -> None:
    # with beta = 0 no difference counts, and the teacher makes no mistake: every token counts 1
    equal = fit(configured(beta=0.0), tmp_path / "equal", chains(), context)
    plain = configured().model_dump(include=set(LightningConfig.model_fields))
    other = fit(LightningConfig(**plain), tmp_path / "plain", chains(), context)
    assert [line["loss"] for line in told(equal)] == pytest.approx([line["loss"] for line in told(other)], rel=1e-4)
    assert difference(equal, other) < 1e-4, "a hundredth of a step of Adam's"
    assert all(line["weight_mean"] == 1 and line["teacher_valid"] == 1 for line in told(equal))
    sft = fit(configured(objective="sft"), tmp_path / "sft", chains(), context)
    assert difference(sft, other) == 0
    kept = fit(configured(objective="steps"), tmp_path / "steps", chains(), context)
    assert difference(kept, equal) == 0


class Started:
    """A training before its first step, with what it would train on."""

    def __init__(self, config: VcrdConfig, out: Path, examples: list[Trace], context: Context) -> None:
        job = prepared(config, out, examples, context)
        tokenizer, self.corpus = load_tokenizer(job.tokenizer), Corpus.open(job.corpus)
        plan = Plan(self.corpus, row_tokens=96, batch_rows=8, seed=7, epochs=1)
        self.training = VcrdTraining(starting_point(job, tokenizer).model, config, steps=plan.steps, seed=7)
        self.training.attach(job, plan, tokenizer)
        self.training._begin_round()
        self.text = tokenizer.decode

    def weights(self, number: int) -> list[tuple[str, float]]:
        """The tokens of an answer and their weights."""
        here = slice(int(self.corpus.starts[number]), int(self.corpus.starts[number + 1]))
        marked = zip(
            self.corpus.ids[here], self.training.token_weights[here].tolist(), self.corpus.supervised[here], strict=True
        )
        return [(self.text([int(token)]).strip(), weight) for token, weight, learnt in marked if learnt]

    def gradient(self, item: int) -> dict[str, torch.Tensor]:
        self.training.zero_grad()
        self.training.micro_loss(micro_batch(self.corpus, np.array([item]))).backward()
        return {name: p.grad.clone() for name, p in self.training.named_parameters() if p.grad is not None}


@pytest.fixture
def mistaken(chains: Chains) -> list[Trace]:
    """Two answers to every chain: one right, one whose second step of three is not."""
    (right,) = chains(1, digits=4)
    first, second, last = right.text.split(" ; ")
    bad = " ".join(str((int(digit) + 3) % 10) for digit in second.split())
    return [right, replace(right, text=f"{first} ; {bad} ; {last}")]


def test_an_invalid_step_counts_nothing_and_has_no_gradient(
    configured: Configured, mistaken: list[Trace], tmp_path: Path, context: Context
) -> None:
    begun = Started(configured(prefix_fraction=0.0), tmp_path / "fit", mistaken, context)
    right, wrong = (begun.weights(int(np.flatnonzero(begun.corpus.sources == source)[0])) for source in (0, 1))
    assert {weight for _, weight in right} == {1.0}
    first = 4  # three digits and the delimiter
    assert [weight for _, weight in wrong[:first]] == [1.0] * first
    assert [weight for _, weight in wrong[first : first + 3]] == [0.0] * 3
    assert wrong[-1][1] == 1.0, "the end token"
    # the gradient is that of the loss without the step: scaling the weights of its tokens changes nothing
    number = int(np.flatnonzero(begun.corpus.sources == 1)[0])
    before = begun.gradient(number)
    weights = begun.training.token_weights
    weights[weights == 0] = 1.0
    after = begun.gradient(number)
    assert any(not torch.allclose(before[name], after[name]) for name in before), "with a weight it has one"
    weights[:] = 0.0
    assert all(not grad.any() for grad in begun.gradient(number).values())


def test_weights_never_carry_a_gradient(
    configured: Configured, mistaken: list[Trace], tmp_path: Path, context: Context
) -> None:
    begun = Started(configured(gamma=0.0), tmp_path / "fit", mistaken, context)
    assert not begun.training.token_weights.requires_grad
    begun.training.token_weights.requires_grad_()
    begun.gradient(0)
    assert begun.training.token_weights.grad is None


def test_divided_by_the_weights_a_step_is_as_long_as_a_plain_one(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context
) -> None:
    halved = {"weight_clip": (0.5, 0.5)}  # every step the same: by the sum of weights, that is nothing
    kinds = {
        kind: fit(configured(normalise=kind, **halved), tmp_path / kind, chains(), context)
        for kind in ("tokens", "weights")
    }
    tokens, weights = (told(kinds[kind])[0] for kind in ("tokens", "weights"))
    plain = told(fit(configured(objective="sft"), tmp_path / "sft", chains(), context))[0]
    assert tokens["loss"] < 0.7 * plain["loss"]
    assert weights["loss"] == pytest.approx(plain["loss"], rel=0.15), (
        "the closing tokens count more than in the plain mean"
    )


def test_a_training_that_is_cut_inside_a_round_ends_in_the_same_bits(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context
) -> None:
    method = configured(refresh=3, prefix_fraction=0.5, proposal_temperature=1.0, checkpoint_seconds=0.0)
    whole = fit(method, tmp_path / "whole", chains(slips=0.6), context, epochs=5)
    assert len(told(whole)) > 6
    cut = fit(method, tmp_path / "cut", chains(slips=0.6), context, epochs=5, stop=5)
    assert difference(whole, cut) == 0
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()
    line = told(whole)[0]
    assert 0.2 < line["proposed"] < 0.8
    assert line["teacher_valid"] < 1
    assert line["weight_invalid"] == 0
    assert line["weight_effective"] < line["targets"]


@pytest.mark.parametrize("validity", ["answer", "mc"])
def test_validity_may_come_from_where_steps_lead(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context, validity: str
) -> None:
    method = configured(validity=validity, verifier=None, continuations=2)
    lines = told(fit(method, tmp_path / "fit", chains(12, slips=0.6), context, epochs=1))
    assert all(line["unjudged"] == 0 for line in lines)
    assert 0 < lines[0]["teacher_valid"] < 1


def sums(slip: int = 0) -> list[Trace]:
    """Chains of two digits, of which half carry; answers to those are too high by a slip."""
    pairs = [(9, 9), (8, 7), (6, 5), (1, 2), (4, 3), (0, 5)]
    asked = [Prompt(Query(f"{a} {b}", "chains_2", target=str((a + b) % 10))) for a, b in pairs]
    said = [str((a + b + slip * (a + b >= 10)) % 10) for a, b in pairs]
    return [Trace(prompt, text, "test") for prompt, text in zip(asked, said, strict=True)]


def test_the_student_is_held_beside_the_teacher(configured: Configured, tmp_path: Path, context: Context) -> None:
    """One that can do the task is ahead of a teacher that cannot, and where it is, the teacher hardly counts."""
    able = fit(configured(objective="sft"), tmp_path / "able", sums(), context, epochs=100)
    student = VcrdStudent(configured(gamma=0.0), context)
    job = Job(student.config, 1, able.checkpoint, tmp_path / "fit", 7)
    job.work.mkdir(parents=True)
    student.prepare(job, sums(slip=1))
    train(job)
    line = told(job)[0]
    assert line["teacher_valid"] == 0.5
    assert line["student_valid"] > 0.8
    assert line["teacher_behind"] > 0.3
    assert line["weight_invalid"] < 0.25, "of half the steps"


def test_without_gold_answers_it_says_what_is_missing(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context
) -> None:
    bare = [replace(t, prompt=Prompt(replace(t.prompt.query, target=None))) for t in chains(4)]
    method = configured(validity="answer", verifier=None)
    with pytest.raises(UserError, match=r"no example's query has a target.*student.validity=symbolic"):
        VCRD.build(method, context).fit(bare, epochs=1, init=None, out=tmp_path / "fit")


def test_it_tells_when_no_step_can_be_judged(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context
) -> None:
    (example,) = chains(1)
    other = replace(example, prompt=Prompt(replace(example.prompt.query, text="one and two")))
    with pytest.raises(UserError, match=r"student.validity=symbolic: of 2 steps, none could be judged"):
        fit(configured(), tmp_path / "fit", [other], context)


@pytest.mark.parametrize(
    ("validity", "why"),
    [("judge", "teacher reducer: 'A question is being answered"), ("likelihood", "reducer does not tell how likely")],
)
def test_the_teacher_of_the_config_is_asked(
    configured: Configured, chains: Chains, tmp_path: Path, context: Context, validity: str, why: str
) -> None:
    """This one can neither mark steps nor rate them, and says so."""
    method = configured(validity=validity, verifier=None, teacher={"name": "reducer"})
    with pytest.raises(UserError, match=why):
        fit(method, tmp_path / "fit", chains(4), context)


def test_a_local_model_rates_steps(configured: Configured, tmp_path: Path, context: Context) -> None:
    teacher = fit(configured(objective="sft"), tmp_path / "teacher", sums(), context, epochs=40)
    node = {"name": "transformers", "model": str(teacher.checkpoint), "devices": ["cpu"]}
    lines = told(
        fit(configured(validity="likelihood", verifier=None, teacher=node), tmp_path / "fit", sums(), context, epochs=1)
    )
    assert (lines[0]["teacher_valid"], lines[0]["proposed"], lines[0]["unjudged"]) == (1, 1, 0)
    assert lines[0]["student_valid"] < 0.5, (
        "what a student says before it has learnt anything is not what the teacher would"
    )
    assert lines[0]["weight_mean"] > 1
