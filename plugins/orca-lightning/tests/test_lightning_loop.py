"""What a training can do besides: validate, stop early, average, adapt, save memory, go on from a phase's moments."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from orca_lightning import LightningConfig, Lora, ModelShape, Validation
from orca_lightning.job import Job
from orca_lightning.text.prepare import prepare
from orca_lightning.training.state import newest, read_facts
from orca_lightning.training.worker import train
from transformers import AutoModelForCausalLM

from orca_core.errors import UserError
from orca_core.records import Trace


def fit(
    config: LightningConfig,
    out: Path,
    examples: list[Trace],
    *,
    epochs: int = 4,
    init: Path | None = None,
    stop: int | None = None,
) -> Job:
    """Train in this process; with ``stop``, cut after so many steps and go on."""
    job = Job(config, epochs, init, out, 7)
    job.work.mkdir(parents=True)
    prepare(job, examples, out.parent / "cache")

    def cut(**facts: Any) -> None:
        if facts.get("step") == stop and "loss" in facts:
            raise InterruptedError

    if stop is not None:
        with pytest.raises(InterruptedError):
            train(job, cut)
    train(job)
    return job


def lines(job: Job, name: str) -> list[dict[str, float]]:
    every = [json.loads(line) for line in job.metrics.read_text().splitlines()]
    return [line for line in every if name in line]


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(path).state_dict()
    return state


def same_files(one: Path, other: Path) -> bool:
    return all((other / file.name).read_bytes() == file.read_bytes() for file in one.iterdir())


@pytest.fixture
def often(config: LightningConfig) -> LightningConfig:
    return config.model_copy(update={"checkpoint_seconds": 0.0})


@pytest.fixture
def base(often: LightningConfig, examples: list[Trace], tmp_path: Path) -> Path:
    return fit(often, tmp_path / "base", examples, epochs=1).checkpoint


def test_held_out_questions_are_measured_and_never_trained_on(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    validated = often.model_copy(update={"validation": Validation(share=0.25, every=5)})
    job = fit(validated, tmp_path / "fit", examples)
    measured, steps = lines(job, "validation_loss"), lines(job, "loss")
    assert [line["step"] for line in measured] == [*range(0, len(steps), 5), len(steps)], "the untrained model too"
    assert measured[-1]["validation_loss"] < measured[0]["validation_loss"]
    assert all(line["perplexity"] == pytest.approx(math.exp(line["validation_loss"])) for line in measured)
    from orca_lightning.text.corpus import Corpus

    kept, out = Corpus.open(job.corpus), Corpus.open(job.held_out)
    assert len(kept) + len(out) == len(examples)
    assert 3 <= len(out) <= 24


def test_measurements_and_patience_survive_an_interruption(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    # a rate so high that nothing gets better for long
    wild = {"learning_rate": 0.3, "warmup_ratio": 0.0, "schedule": "constant"}
    impatient = often.model_copy(update={**wild, "validation": Validation(share=0.25, every=2, patience=3)})
    whole = fit(impatient, tmp_path / "whole", examples, epochs=8)
    losses = [line["validation_loss"] for line in lines(whole, "validation_loss") if line["step"]]
    best = losses.index(min(losses))
    assert len(losses) == best + 4, "it should stop at the third measurement after the best"
    assert read_facts(newest(whole.state))["stopped"]
    cut = fit(impatient, tmp_path / "cut", examples, epochs=8, stop=int(lines(whole, "loss")[-2]["step"]))
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()
    assert same_files(whole.checkpoint, cut.checkpoint)


def test_the_best_weights_can_be_the_result(often: LightningConfig, examples: list[Trace], tmp_path: Path) -> None:
    wild = {"learning_rate": 0.3, "warmup_ratio": 0.0, "schedule": "constant", "result": "best"}
    held = Validation(share=0.25, every=2, patience=2)
    job = fit(often.model_copy(update={**wild, "validation": held}), tmp_path / "fit", examples, epochs=8)
    assert not same_files(job.checkpoint, job.last)
    assert not job.best.exists()


def test_an_average_of_the_weights_becomes_the_result_and_is_resumed(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    plain = fit(often, tmp_path / "plain", examples)
    averaged = fit(often.model_copy(update={"ema": 0.9}), tmp_path / "averaged", examples)
    cut = fit(often.model_copy(update={"ema": 0.9}), tmp_path / "cut", examples, stop=9)
    assert same_files(averaged.checkpoint, cut.checkpoint)
    name = "model.layers.0.mlp.up_proj.weight"
    assert lines(plain, "loss") == lines(averaged, "loss"), "an average must not change the training"
    one, other = weights(plain.checkpoint)[name], weights(averaged.checkpoint)[name]
    assert 1e-3 < (one - other).norm() / one.norm() < 0.5


def test_adapters_leave_the_base_alone_and_end_up_in_its_weights(
    often: LightningConfig, examples: list[Trace], tmp_path: Path, base: Path
) -> None:
    adapted = often.model_copy(update={"lora": Lora(rank=4, alpha=8, dropout=0.1), "learning_rate": 1e-2})
    job = fit(adapted, tmp_path / "fit", examples, init=base)
    cut = fit(adapted, tmp_path / "cut", examples, init=base, stop=7)
    assert same_files(job.checkpoint, cut.checkpoint), "dropout is a function of the step"
    before, after = weights(base), weights(job.checkpoint)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert changed == {name for name in before if "proj" in name}
    rank = torch.linalg.matrix_rank(after[n := "model.layers.0.mlp.up_proj.weight"] - before[n], rtol=1e-4)
    assert 1 <= rank <= 4
    losses = lines(job, "loss")
    assert losses[-1]["loss"] < losses[0]["loss"]
    state = newest(job.state)
    assert state is not None
    assert sum(file.stat().st_size for file in state.iterdir()) < 400_000, "the frozen base need not be saved"


def test_adapters_beside_weights_of_four_bits_end_up_in_a_plain_checkpoint(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    # its blocks of blocks need some thousand weights
    wide = often.model_copy(
        update={"model": ModelShape(hidden_size=128, layers=2, intermediate_size=256, vocab_size=400)}
    )
    base = fit(wide, tmp_path / "base", examples, epochs=1).checkpoint
    quantised = wide.model_copy(update={"lora": Lora(rank=4, alpha=8, quantize="nf4")})
    job = fit(quantised, tmp_path / "fit", examples, init=base, epochs=2)
    losses = lines(job, "loss")
    assert losses[-1]["loss"] < losses[0]["loss"]
    before, after = weights(base), weights(job.checkpoint)
    name = "model.layers.0.mlp.up_proj.weight"
    assert before.keys() == after.keys()
    assert after[name].shape == before[name].shape
    assert 0 < (after[name] - before[name]).norm() < before[name].norm()


def test_a_layer_that_is_not_there_gets_no_adapter(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"student.lora.targets=\['qproj'\].*q_proj"):
        fit(often.model_copy(update={"lora": Lora(targets=("qproj",))}), tmp_path / "fit", examples)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchao compiles its step, which takes a C compiler a minute; the same step runs without."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


@pytest.mark.usefixtures("eager")
def test_moments_in_eight_bits_train_nearly_as_well_and_are_resumed(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    pytest.importorskip("torchao")
    small = often.model_copy(update={"optimizer": "adamw-8bit"})
    plain, job = fit(often, tmp_path / "plain", examples), fit(small, tmp_path / "fit", examples)
    cut = fit(small, tmp_path / "cut", examples, stop=9)
    assert same_files(job.checkpoint, cut.checkpoint)
    assert lines(job, "loss")[-1]["loss"] == pytest.approx(lines(plain, "loss")[-1]["loss"], rel=0.1)


@pytest.mark.usefixtures("eager")
def test_weights_in_sixteen_bits_move_by_steps_that_plain_rounding_would_swallow(
    often: LightningConfig, examples: list[Trace], tmp_path: Path, base: Path
) -> None:
    pytest.importorskip("torchao")
    tiny_steps = {"learning_rate": 2e-5, "precision": "bf16-true", "schedule": "constant", "warmup_ratio": 0.0}
    job = fit(often.model_copy(update=tiny_steps), tmp_path / "fit", examples, init=base)
    steps = len(lines(job, "loss"))
    name = "model.layers.0.mlp.up_proj.weight"
    before, after = weights(base)[name].bfloat16().float(), weights(job.checkpoint)[name].float()
    assert (before != after).float().mean() > 0.5, "rounded to the nearest, most would stay where they are"
    assert (after - before).abs().max() < 100 * steps * 2e-5


def test_a_phase_goes_on_with_the_moments_of_the_phase_before(
    often: LightningConfig, examples: list[Trace], tmp_path: Path, make_sums: Callable[..., list[Trace]]
) -> None:
    keeping = often.model_copy(update={"optimizer_state": "keep"})
    first = fit(keeping, tmp_path / "one" / "fit", examples, epochs=1)
    kept = fit(keeping, tmp_path / "two" / "fit", make_sums(30, seed=3), epochs=1, init=first.checkpoint)
    reset = fit(often, tmp_path / "three" / "fit", make_sums(30, seed=3), epochs=1, init=first.checkpoint)
    assert lines(kept, "loss")[0]["loss"] == lines(reset, "loss")[0]["loss"]
    assert lines(kept, "loss")[1]["loss"] != lines(reset, "loss")[1]["loss"]
    with pytest.raises(UserError, match=r"the phase before left no .*optimizer; set it for that phase as well"):
        fit(keeping, tmp_path / "four" / "fit", examples, epochs=1, init=reset.checkpoint)


def test_events_for_tensorboard_lie_beside_the_metrics(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    job = fit(often.model_copy(update={"tensorboard": True}), tmp_path / "fit", examples, epochs=1)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(job.out / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(
        [line["loss"] for line in lines(job, "loss")]
    )


def test_a_fit_that_was_killed_after_its_last_step_still_ends_in_what_it_learnt(
    often: LightningConfig, examples: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(often, tmp_path / "whole", examples, epochs=1)
    job = Job(often, 1, None, tmp_path / "cut", 7)
    job.work.mkdir(parents=True)
    prepare(job, examples, tmp_path / "cache")
    with monkeypatch.context() as broken:
        broken.setattr("orca_lightning.training.worker.whole_weights", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(job)
    train(job)
    assert same_files(whole.checkpoint, job.checkpoint)
    assert job.metrics.read_bytes() == whole.metrics.read_bytes()


def test_tokens_are_made_once_for_equal_examples(
    often: LightningConfig, examples: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fit(often, tmp_path / "one", examples, epochs=1)
    monkeypatch.setattr("orca_lightning.text.prepare.encode_examples", None)
    second = fit(often.model_copy(update={"learning_rate": 1e-3}), tmp_path / "two", examples, epochs=1)
    assert first.corpus.resolve() == second.corpus.resolve()


def test_nothing_to_hold_out_is_the_users_mistake(
    often: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"validation.share=0.0001 leaves no example to hold out"):
        fit(often.model_copy(update={"validation": Validation(share=1e-4)}), tmp_path / "fit", examples)
