"""The plugin, its presets and what it refuses, through orca's contracts."""

from __future__ import annotations

from typing import Any

import orca_vcrd
import pytest
from orca_vcrd import VcrdConfig
from pydantic import ValidationError

from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.errors import ConfigError
from orca_core.testing import check_plugin


def test_the_plugin_keeps_the_contract() -> None:
    assert [component.name for component in check_plugin(orca_vcrd)] == ["vcrd"]


ROWS = "sampler.collections.cot.source.path=gsm8k_train.tsv"


@pytest.mark.parametrize(
    "overrides",
    [
        ["student=vcrd-tiny", "sampler=chains", "teacher=reducer", "evaluator=[chains]", "curriculum=single"],
        *[["+experiment=citing/vcrd", f"vcrd={kind}"] for kind in ("base", "sft", "steps", "traces", "relative")],
        ["+experiment=citing/vcrd-gsm8k", "student.base=somewhere", ROWS],
        [
            "+experiment=citing/vcrd-gsm8k",
            "student.base=x",
            ROWS,
            "student.validity=judge",
            "+student.teacher={name: solver}",
        ],
    ],
)
def test_presets_compose(overrides: list[str]) -> None:
    plugins = load_plugins()
    run = check(compose_run(overrides, plugins)[0], plugins)
    assert run.student.component.name == "vcrd"


def test_all_variants_of_the_experiment_share_their_first_phase() -> None:
    plugins = load_plugins()
    runs = [
        check(compose_run(["+experiment=citing/vcrd", f"vcrd={kind}"], plugins)[0], plugins)
        for kind in ("sft", "traces", "relative", "calibrated")
    ]
    first = [run.phases[0].student.identity() for run in runs]
    assert all(one == first[0] for one in first)
    assert len({str(run.phases[1].student.identity()) for run in runs}) == 4


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"strategy": "fsdp"}, "the whole model on one device"),
        ({"validity": "symbolic"}, "needs a verifier of steps"),
        ({"validity": "judge"}, "needs a teacher to ask"),
        ({"validity": "likelihood", "teacher": {"name": "x"}, "objective": "steps"}, "takes for granted"),
        ({"delimiter": "("}, "is no regular expression"),
        ({"delimiter": ".*"}, "matches the empty text"),
        ({"weight_clip": (1.0, 0.5)}, "is not \\[low, high\\]"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        VcrdConfig(**changes)


def test_a_verifier_that_nobody_offers_is_told_under_its_key() -> None:
    plugins = load_plugins()
    with pytest.raises(ConfigError, match=r"student.verifier.*chain-stepz.*did you mean 'chain-steps'"):
        check(compose_run(["student=vcrd-tiny", "student.verifier.name=chain-stepz"], plugins)[0], plugins)
