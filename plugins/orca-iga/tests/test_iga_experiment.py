"""The experiment in small, from questions to the table, through the stages that ``orca run`` carries out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orca_iga.__main__ import main
from orca_lightning.job import Job
from orca_lightning.training.worker import train

from orca_core import results
from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.errors import UserError
from orca_core.graph import build
from orca_core.pipeline import execute
from orca_core.store import Store, write_json

SMALL = [
    "sampler.n=16", "curriculum.base.sampler.n=16", "curriculum.base.epochs=1", "evaluator.isomers.n=10",
    "student.model.hidden_size=32", "student.model.heads=2", "student.model.layers=1", "student.model.intermediate_size=48",
]  # fmt: skip


def run(out: Path, store: Path, *choices: str) -> dict[str, Any]:
    """What ``orca run`` does, without Hydra's global state."""
    plugins = load_plugins()
    config = check(compose_run(["+experiment=citing/iga", *choices, *SMALL, f"store={store}"], plugins)[0], plugins)
    graph = build(config)
    outcomes = execute(graph, config, Store(config.store))
    report = results.report(config, graph, outcomes, plugins, list(choices))
    written = {"report": report, "items": results.items(graph, outcomes), "clusters": results.clusters(graph, outcomes)}
    out.mkdir(parents=True)
    for name, content in written.items():
        write_json(out / f"{name}.json", content)
    return report


@pytest.fixture(autouse=True)
def trained_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training in this process: a child would only cost the time that it takes to start."""
    monkeypatch.setattr("orca_lightning.student.run_child", lambda job, progress: train(Job.read(job.write())))


def test_the_table_comes_out_of_a_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no job"):
        main([str(tmp_path)])
    sweep = tmp_path / "sweep"
    masked = run(sweep / "0", tmp_path / "store", "iga=iga", "seed=0")
    with pytest.raises(UserError, match="no finished job with iga=erm"):
        main([str(sweep)])
    plain = run(sweep / "1", tmp_path / "store", "iga=erm", "seed=0")
    cached = {stage["name"]: stage["cached"] for stage in plain["stages"]}
    assert cached["fit/base"], "the first phase is shared"
    assert not cached["fit/tuned"]
    assert [curve["points"][-1]["mask_mean"] == 1 for curve in masked["curves"]] == [True, False]
    table = main([str(sweep)])
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in table.splitlines() if line.startswith("| ")}
    assert set(rows) == {"`iga=`", "erm", "iga", "against `iga=erm`"}
    assert float(table.split("| erm |")[1].splitlines()[0].split("|")[-2]) == 1.0
    assert "telling cue n = 40, random cue n = 40, held-out domains n = 20, gap n = 40" in table
    assert "- `iga`: gap" in table
    assert "shuffled" not in table
