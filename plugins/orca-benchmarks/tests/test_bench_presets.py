"""The preset composes into what it says."""

from __future__ import annotations

from pathlib import Path

from orca_core import plugins as plugin_loading
from orca_core.compose import compose_run
from orca_core.config import check


def test_the_experiment_scores_both_benchmarks_by_both_protocols_and_asks_no_solver(tmp_path: Path) -> None:
    plugins = plugin_loading.load(strict=True)
    paths = [f"evaluator.{suite}.path={tmp_path}" for suite in ("bbh", "agieval")]
    config, _ = compose_run(["+experiment=benchmarks", *paths, "evaluator.bbh.n=null"], plugins)
    run = check(config, plugins)
    assert list(run.evaluators) == ["bbh", "agieval"]
    assert list(run.subjects) == ["student", "base"]
    bbh, agieval = (part.config for part in run.evaluators.values())
    assert (bbh.n, bbh.max_tokens, agieval.n) == (None, 64, 5)
    assert bbh.protocols == agieval.protocols == ("paper", "robust")
    assert (bbh.path, bbh.tasks, agieval.tasks) == (tmp_path, ("multiple-choice",), ("all",))
