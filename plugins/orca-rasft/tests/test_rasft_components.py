"""The plugin and its presets through orca's contracts."""

from __future__ import annotations

import orca_rasft
import pytest

from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.testing import check_plugin


def test_the_plugin_keeps_the_contract() -> None:
    assert [component.name for component in check_plugin(orca_rasft)] == ["rasft"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["student=rasft-tiny", "sampler=chains", "teacher=reducer", "evaluator=[chains]", "curriculum=single"],
        ["+experiment=citing/rasft"],
        ["+experiment=citing/rasft", "student=rasft-released"],
    ],
)
def test_presets_compose(overrides: list[str]) -> None:
    plugins = load_plugins()
    run = check(compose_run(overrides, plugins)[0], plugins)
    assert run.student.component.name == "rasft"
