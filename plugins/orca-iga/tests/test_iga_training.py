"""Fits: what they come down to in the limits, that they resume exactly, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from orca_iga import IgaConfig
from orca_iga.student import IgaStudent
from orca_lightning import LightningConfig
from orca_lightning.job import Job
from orca_lightning.student import LightningStudent
from orca_lightning.training.worker import train
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.records import Trace

Isomers = Callable[..., list[Trace]]
LORA = {"lora": {"rank": 4, "alpha": 8}, "stage": "gradient"}


def fit(
    config: LightningConfig,
    out: Path,
    examples: list[Trace],
    context: Context,
    *,
    epochs: int = 2,
    stop: int | None = None,
) -> Job:
    """Train in this process; with ``stop``, cut after so many steps and go on."""
    student = (IgaStudent if isinstance(config, IgaConfig) else LightningStudent)(config, context)
    job = Job(config, epochs, None, out, 7)
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


def changed(config: IgaConfig, **fields: Any) -> IgaConfig:
    return IgaConfig.model_validate({**config.model_dump(), **fields})


def alike(examples: list[Trace]) -> list[Trace]:
    """The same sets, but every domain asks in the words of the first."""
    return [
        replace(first, prompt=replace(first.prompt, query=replace(first.prompt.query, meta=one.prompt.query.meta)))
        for start in range(0, len(examples), 3)
        for one in examples[start : start + 3]
        for first in [examples[start]]
    ]


def test_without_tau_it_is_plain_fine_tuning_to_the_last_bit(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    erm = fit(changed(config, mask="none"), tmp_path / "erm", isomers(), context)
    assert [line["mask_mean"] for line in told(erm)] == [1.0] * 6, "two epochs of twelve sets, four to a step"
    for stage in ("update", "gradient"):
        one = fit(changed(config, tau=0.0, stage=stage), tmp_path / stage, isomers(), context)
        assert difference(one, erm) == 0
        assert [line["loss"] for line in told(one)] == [line["loss"] for line in told(erm)]
    masked = fit(config, tmp_path / "masked", isomers(), context)
    assert difference(masked, erm) > 1e-3
    first = told(masked)[0]
    assert first["loss"] == told(erm)[0]["loss"]
    assert first["grad_norm"] == told(erm)[0]["grad_norm"], "the mean gradient itself is clipped"
    assert 0 < first["mask_mean"] < 0.9
    assert {"mask_layer_0", "mask_layer_1", "mask_rest"} < first.keys()


def test_plain_fine_tuning_is_that_of_the_lightning_student(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    # one step with everything in it: the order of the examples and how they are packed change nothing
    everything = changed(config, mask="none", batch_rows=12)
    plain = LightningConfig(**{**everything.model_dump(include=set(LightningConfig.model_fields)), "batch_rows": 99})
    jobs = [fit(c, tmp_path / type(c).__name__, isomers(), context, epochs=1) for c in (everything, plain)]
    mine, theirs = (told(job) for job in jobs)
    assert len(mine) == len(theirs) == 1
    for name in ("loss", "grad_norm", "targets", "tokens"):
        assert mine[0][name] == pytest.approx(theirs[0][name], rel=1e-5), name


def test_domains_that_say_the_same_are_never_masked(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    examples = alike(isomers())
    masked = fit(changed(config, exclude=()), tmp_path / "masked", examples, context)
    assert {line["mask_mean"] for line in told(masked)} == {1.0}
    assert difference(masked, fit(changed(config, mask="none"), tmp_path / "erm", examples, context)) == 0


def test_how_a_domain_is_split_changes_nothing(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    jobs = [fit(changed(config, micro_rows=n), tmp_path / f"{n}", isomers(), context, epochs=1) for n in (4, 1)]
    whole, split = (told(job)[0] for job in jobs)
    for name in ("loss", "grad_norm", "mask_mean"):
        assert whole[name] == pytest.approx(split[name], rel=1e-4), name


# the shuffled mask, as it draws
@pytest.mark.parametrize("settings", [{"mask": "shuffled"}, LORA], ids=["update", "lora"])
def test_a_training_that_is_cut_ends_in_the_same_bits(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context, settings: dict[str, Any]
) -> None:
    method = changed(config, **settings, checkpoint_seconds=0.0)
    whole = fit(method, tmp_path / "whole", isomers(8), context)
    cut = fit(method, tmp_path / "cut", isomers(8), context, stop=2)
    assert difference(whole, cut) == 0
    assert cut.metrics.read_bytes() == whole.metrics.read_bytes()


def test_masks_stop_what_they_are_zero_for_and_leave_alone_what_is_excluded(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    none = fit(changed(config, mask="none"), tmp_path / "none", isomers(4), context, epochs=1)
    hard = changed(config, tau=1e30, weight_decay=0.0)  # no two gradients are equal: nothing moves but what is excluded
    still = fit(changed(hard, exclude=()), tmp_path / "still", isomers(4), context, epochs=1)
    free = fit(changed(hard, exclude=("norms", "embeddings")), tmp_path / "free", isomers(4), context, epochs=1)
    moved = {name for name, value in weights(free).items() if not torch.equal(value, weights(still)[name])}
    assert {name for name in moved if "norm" not in name} == {"model.embed_tokens.weight", "lm_head.weight"}
    assert any("norm" in name for name in moved)
    assert told(still)[0]["mask_mean"] == 0
    assert difference(none, still) > 1e-3


def test_adapters_of_full_rank_without_a_mask_learn_as_plain_ones_do(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    # the gradient of the whole matrix, nothing cut off it, comes down to what autograd gives the adapters
    full = {**LORA, "lora": {"rank": 48, "alpha": 96}}
    plain = fit(changed(config, **full, mask="none"), tmp_path / "plain", isomers(8), context, epochs=1)
    pulled = fit(changed(config, **full, tau=0.0), tmp_path / "pulled", isomers(8), context, epochs=1)
    assert [line["grad_norm"] for line in told(pulled)] == pytest.approx(
        [line["grad_norm"] for line in told(plain)], rel=1e-3
    )
    masked = fit(changed(config, **LORA), tmp_path / "masked", isomers(8), context, epochs=1)
    assert 0 < told(masked)[0]["mask_mean"] < 0.9


def test_a_set_that_lacks_a_domain_is_left_out_and_that_is_said(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    job = fit(config, tmp_path / "fit", isomers(9)[1:], context, epochs=1)
    assert "1 of 9 isomer sets lack a domain and are left out" in caplog.text
    assert len(told(job)) == 2, "eight sets"


def test_examples_that_are_no_isomer_sets_are_refused(
    config: IgaConfig, isomers: Isomers, tmp_path: Path, context: Context
) -> None:
    def with_meta(trace: Trace, **meta: str) -> Trace:
        return replace(trace, prompt=replace(trace.prompt, query=replace(trace.prompt.query, meta=meta)))

    examples = isomers(4)
    with pytest.raises(UserError, match=r"does not say its domain: its query needs meta.domain, and meta.cluster"):
        fit(config, tmp_path / "1", [with_meta(t) for t in examples], context)
    with pytest.raises(UserError, match="'a' has two examples of the domain 'law'"):
        fit(config, tmp_path / "2", [with_meta(t, cluster="a", domain="law") for t in examples], context)
    alone = [with_meta(t, cluster=t.prompt.id, domain=str(t.prompt.query.meta["domain"])) for t in examples]
    with pytest.raises(UserError, match="no isomer set has an example in each of the domains law, maths, music"):
        fit(config, tmp_path / "3", alone, context)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strategy": "fsdp"}, "strategy=single, not fsdp"),
        ({"precision": "bf16-true"}, "would be rounded away"),
        ({"packing": "naive"}, "leave packing as it is"),
        ({"validation": {"share": 0.1}}, "torn out of their isomer sets"),
        ({"lora": {}}, "stage=gradient"),
        ({**LORA, "lora": {"dropout": 0.1}}, "lora.dropout=0"),
        ({**LORA, "lora": {"quantize": "nf4"}}, "lora.quantize=null"),
    ],
)
def test_what_it_cannot_do_it_refuses_with_the_reason(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        IgaConfig(**settings)
    unmasked = {**settings, "mask": "none"}
    if "lora" in settings:
        assert IgaConfig(**unmasked).lora is not None
