"""What methods that train in their own way build on: rollouts, a frozen reference, and the class that their config names."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from orca_lightning import LightningConfig
from orca_lightning.answering.decoding import penalised
from orca_lightning.job import MARK, Job
from orca_lightning.methods import Reference, Sampling, rollouts
from orca_lightning.network.loss import ResponseLoss
from orca_lightning.network.model import load_model
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.encoding import encode_prompts
from orca_lightning.text.prepare import prepare
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.module import ResponseTraining
from orca_lightning.training.packing import Rows
from orca_lightning.training.start import write_untrained
from orca_lightning.training.steps import MicroBatch, Plan, Step, micro_batch
from orca_lightning.training.worker import train
from torch import Tensor

from orca_core.records import Trace


@pytest.fixture
def untrained(config: LightningConfig, examples: list[Trace], tmp_path: Path) -> Path:
    """A model whose answers vary and of which some end by themselves."""
    wild = config.model_copy(update={"model": config.model.model_copy(update={"init_std": 0.3})})  # type: ignore[union-attr]
    write_untrained(Job(wild, 0, None, tmp_path / "untrained", 3), examples)
    return tmp_path / "untrained" / "checkpoint"


def test_rollouts_are_drawn_by_prompt_and_number_alone(untrained: Path, examples: list[Trace]) -> None:
    model, tokenizer = load_model(untrained).train(), load_tokenizer(untrained)
    prompts = encode_prompts(tokenizer, [example.prompt for example in examples[:6]])
    seeds, sampling = [[1, i] for i in range(6)], Sampling(3, 20, 128)
    every = rollouts(model, tokenizer, prompts, seeds, sampling)
    assert [len(answers) for answers in every] == [3] * 6
    assert len({one.tokens for answers in every for one in answers}) > 12
    alone = rollouts(model, tokenizer, prompts[4:5], seeds[4:5], sampling)
    assert [one.tokens for one in alone[0]] == [one.tokens for one in every[4]]
    for one in (one for answers in every for one in answers):
        assert one.ended == (one.tokens[-1] == tokenizer.eos_token_id)
        assert one.ended or len(one.tokens) == 20
        assert len(one.logprobs) == len(one.tokens)
        assert tokenizer.eos_token not in one.text
    assert model.training, "left as it was"


def test_a_rollout_stops_when_it_is_told_to(untrained: Path, examples: list[Trace]) -> None:
    model, tokenizer = load_model(untrained), load_tokenizer(untrained)
    prompts = encode_prompts(tokenizer, [example.prompt for example in examples[:3]])
    seeds, greedy = [[0, i] for i in range(3)], Sampling(1, 20, 128, temperature=0)
    whole = rollouts(model, tokenizer, prompts, seeds, greedy)
    short = rollouts(model, tokenizer, prompts, seeds, greedy, stop=lambda tokens: len(tokens) == 2)
    assert [one.tokens for (one,) in short] == [one.tokens[:2] for (one,) in whole]


def test_long_rollouts_are_told_of(
    untrained: Path, examples: list[Trace], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = load_model(untrained), load_tokenizer(untrained)
    prompts = encode_prompts(tokenizer, [example.prompt for example in examples[:3]])
    seeds, sampling = [[0, i] for i in range(3)], Sampling(2, 20, 128)
    rollouts(model, tokenizer, prompts, seeds, sampling)
    assert not capsys.readouterr().out, "not of short ones"
    monkeypatch.setattr(sys.modules["orca_lightning.methods.rollouts"], "_TOLD_EVERY", 0.0)
    rollouts(model, tokenizer, prompts, seeds, sampling)
    told = [json.loads(line.removeprefix(MARK)) for line in capsys.readouterr().out.splitlines()]
    assert [(one["answers"], one["of"]) for one in told] == [(done, 6) for done in range(1, 7)]


def test_a_prompt_without_room_has_no_rollouts(untrained: Path) -> None:
    model, tokenizer = load_model(untrained), load_tokenizer(untrained)
    found = rollouts(model, tokenizer, [[5] * 30, [5] * 3], [[0], [1]], Sampling(2, 20, 30))
    assert [len(answers) for answers in found] == [0, 2]


def test_the_repetition_penalty_is_that_of_transformers() -> None:
    from transformers import RepetitionPenaltyLogitsProcessor

    logits, said = torch.randn(3, 11, generator=torch.Generator().manual_seed(0)), [[1, 1, 4], [0, 2, 3], [10, 9, 8]]
    theirs = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor(said), logits.clone())
    torch.testing.assert_close(penalised(logits, said, 1.3), theirs)


def test_a_reference_stays_as_the_model_was(
    config: LightningConfig, examples: list[Trace], untrained: Path, tmp_path: Path
) -> None:
    job = Job(config, 1, untrained, tmp_path / "fit", 7)
    job.work.mkdir(parents=True)
    prepare(job, examples, tmp_path / "cache")
    batch = micro_batch(Corpus.open(job.corpus), np.arange(4))
    model = load_model(untrained)
    reference, loss = Reference(model), ResponseLoss(model)
    before = loss(*batch.inputs, each=True)
    torch.testing.assert_close(reference.losses(batch), before.detach())
    chosen = loss(*batch.inputs, logits=True).log_softmax(-1)
    kept = batch.labels >= 0
    torch.testing.assert_close(-chosen[kept].gather(1, batch.labels[kept][:, None])[:, 0], before[kept])
    before.sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1
    torch.testing.assert_close(reference.losses(batch), before.detach())
    assert not reference.losses(batch).requires_grad


def test_a_target_can_be_found_again_in_the_corpus(
    config: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    job = Job(config.model_copy(update={"max_length": 40, "over_long": "drop"}), 1, None, tmp_path / "fit", 7)
    job.work.mkdir(parents=True)
    prepare(job, examples, tmp_path / "cache")
    corpus = Corpus.open(job.corpus)
    assert corpus.dropped > 0, "or the numbers below say nothing"
    batch = micro_batch(corpus, np.array([3, 0, 5]))
    kept = batch.places >= 0
    assert torch.equal(kept, batch.labels >= 0)
    assert corpus.ids[batch.places[kept]].tolist() == batch.labels[kept].tolist()
    owners = np.searchsorted(corpus.starts, batch.places[kept], side="right") - 1
    assert list(dict.fromkeys(owners.tolist())) == [3, 0, 5]
    tokenizer = load_tokenizer(job.tokenizer)
    for number, source in enumerate(corpus.sources.tolist()):
        ids = np.asarray(corpus.ids[corpus.starts[number] : corpus.starts[number + 1]])
        counts = np.asarray(corpus.supervised[corpus.starts[number] : corpus.starts[number + 1]])
        assert tokenizer.decode(ids[counts], skip_special_tokens=True) == examples[source].text


class Halved(ResponseTraining):
    """Counts every second example alone."""

    def micro_loss(self, batch: MicroBatch) -> Tensor:
        kept = batch.places >= 0
        losses: Tensor = self.loss(*batch.inputs, each=True)[kept]
        starts = torch.from_numpy(self.starts)
        return (losses * ((torch.searchsorted(starts, batch.places[kept], right=True) - 1) % 2)).sum()

    def attach(self, job: Job, plan: Any, tokenizer: Any) -> None:
        self.starts = np.asarray(plan.corpus.starts)


class OneByOne(Plan):
    """Every example in a row of its own, in their order."""

    def rows_of(self, epoch: int) -> Rows:
        return Rows(np.arange(len(self.corpus)), np.arange(len(self.corpus) + 1))


class Backwards(ResponseTraining):
    """Examples one by one, gradients turned round, and only the first step is taken."""

    @classmethod
    def planned(cls, job: Job, corpus: Corpus) -> Plan:
        return OneByOne(corpus, row_tokens=128, batch_rows=job.config.batch_rows, seed=0, epochs=job.epochs)

    def gradients(self, step: Any) -> Tensor:
        loss = super().gradients(step)
        for parameter in self.model.parameters():
            parameter.grad.neg_()
        return loss

    def update(self, optimizer: Any) -> None:
        if self.done == 0:
            super().update(optimizer)


class HalvedConfig(LightningConfig):
    """A method of the tests'."""

    training: ClassVar[str] = "halved_method:Halved"

    strength: float = 0.5


def test_a_method_may_order_the_steps_and_change_gradients_and_updates(
    config: LightningConfig, make_sums: Callable[..., list[Trace]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package: Any = ModuleType("backwards_method")
    package.Backwards = Backwards
    monkeypatch.setitem(sys.modules, "backwards_method", package)
    monkeypatch.setattr(LightningConfig, "training", "backwards_method:Backwards")
    # the same two examples five times over, at a steady rate
    job = Job(config.model_copy(update={"warmup_ratio": 0.0}), 5, None, tmp_path / "fit", 7)
    job.work.mkdir(parents=True)
    prepare(job, make_sums(2), tmp_path / "cache")
    train(job)
    losses = [json.loads(line)["loss"] for line in job.metrics.read_text().splitlines()]
    assert len(losses) == 5
    assert losses[1] > losses[0] + 0.1, "uphill"
    assert len(set(losses[1:])) == 1, "and no further"


def test_a_config_of_another_plugin_names_the_class_that_trains(
    config: LightningConfig, make_sums: Callable[..., list[Trace]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as another plugin's package, which the child would import
    package: Any = ModuleType("halved_method")
    package.Halved, package.HalvedConfig = Halved, HalvedConfig
    monkeypatch.setitem(sys.modules, "halved_method", package)
    monkeypatch.setattr(HalvedConfig, "__module__", "halved_method")
    jobs = []
    for kind in (HalvedConfig, LightningConfig):
        job = Job(kind(**config.model_dump()), 1, None, tmp_path / kind.__name__, 7)
        job.work.mkdir(parents=True)
        prepare(job, make_sums(12), tmp_path / "cache")
        read = Job.read(job.write())
        assert read == job
        assert type(read.config) is kind
        train(read)
        jobs.append(read)
    halved, whole = (job.metrics.read_text().splitlines()[0] for job in jobs)
    assert halved != whole


class Counted(ResponseTraining):
    """Takes three examples a step, trains on one of them, and has enough after four steps."""

    @classmethod
    def planned(cls, job: Job, corpus: Corpus) -> Plan:
        return Plan(
            corpus, row_tokens=job.config.max_length, batch_rows=3, seed=job.seed, epochs=job.epochs, packing="alone"
        )

    def widened(self, step: Step) -> Step:
        one = self.seen = next(iter(step.micro))
        return Step((one,), 5, int((one.places >= 0).sum()))

    def measured(self, held_out: Corpus) -> dict[str, float]:
        assert not self.loss.training
        return {"examples": float(len(held_out)), "done": float(self.done)}

    def enough(self, figures: Mapping[str, float]) -> bool:
        return figures["done"] >= 4


class CountedConfig(LightningConfig):
    """A method of the tests'."""

    training: ClassVar[str] = "counted_method:Counted"


def test_a_method_plans_its_steps_measures_more_and_ends_by_it(
    config: LightningConfig, examples: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package: Any = ModuleType("counted_method")
    package.Counted, package.CountedConfig = Counted, CountedConfig
    monkeypatch.setitem(sys.modules, "counted_method", package)
    monkeypatch.setattr(CountedConfig, "__module__", "counted_method")
    held = {"validation": {"share": 0.25, "every": 2}, "checkpoint_seconds": 0.0}

    def fit(out: Path, stop: int | None) -> list[dict[str, float]]:
        job = Job(CountedConfig(**{**config.model_dump(), **held}), 1, None, out, 7)
        job.work.mkdir(parents=True)
        prepare(job, examples, tmp_path / "cache")

        def cut(**facts: Any) -> None:
            if stop is not None and facts.get("step") == stop and "validation_loss" in facts:
                raise InterruptedError

        if stop is not None:
            with pytest.raises(InterruptedError):
                train(job, cut)
        train(job)
        assert len(Corpus.open(job.corpus)) > 24, "there would be more steps"
        return [json.loads(line) for line in job.metrics.read_text().splitlines()]

    told = fit(tmp_path / "whole", None)
    measured = [line for line in told if "validation_loss" in line]
    assert [line["done"] for line in measured] == [0, 2, 4]
    assert told[-1]["tokens"] == 4 * 5, "what it trained on, not what was planned"
    assert fit(tmp_path / "cut", 4) == told
