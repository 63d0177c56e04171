"""The experiment through the `orca` command: it composes, runs offline, and reports repairs and regressions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from orca_skillgen.simulated import trial
from skillgen_parts import plugins

from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.graph import build
from orca_core.planning import plan
from orca_core.store import Store
from orca_core.testing.project import Project

MEMORY = '''
import json
from orca_core import Component, Config, hookimpl

class MemoryConfig(Config):
    """Learns nothing: the experiment is about its teacher."""

class Memory:
    def __init__(self, config, context):
        pass

    def fit(self, examples, *, epochs, init, out):
        (out / "checkpoint").mkdir()

    def load(self, checkpoint):
        return self

@hookimpl
def orca_students():
    return [Component("memory", MemoryConfig, Memory)]
'''
ONCE = ("+experiment=citing/skillgen", "student=memory", "hydra.mode=RUN")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A scratch project with a student that costs nothing."""
    project = Project(tmp_path)
    project.plugin("memory", MEMORY)
    project.env["ORCA_BLOCK_PLUGINS"] = "lightning,litellm,flan,smollm2,transformers,lm-eval,benchmarks,judge"
    return project


def test_the_experiment_reports_repairs_and_regressions(project: Project) -> None:
    result = project.orca("run", *ONCE, "skill=blanket-released")
    assert result.returncode == 0, result.stderr
    directory = project.reports()[-1].parent
    scores = json.loads((directory / "report.json").read_text())["scores"]
    rows = {(row["task"], row["metric"]): row for row in scores}
    assert rows["long_sums", "repaired of wrong"]["ci95"][0] > 0.8
    assert rows["short_sums", "broken of right"]["ci95"][0] > 0.15
    assert rows["average", "net gain"]["n"] == 400
    told = json.loads((directory / "manifest.json").read_text())["provenance"]["ask/teacher"]
    assert told["skill"] == "accepted"
    assert (project.root / told["skill_directory"] / "SKILL.md").read_text().startswith("---\nname: rule-1")


@pytest.mark.parametrize("skill", ["none", "routed", "blanket", "placebo"])
def test_each_skill_of_the_experiment_composes(skill: str) -> None:
    config, _ = compose_run(["+experiment=citing/skillgen", f"skill={skill}"], plugins())
    teacher = check(config, plugins()).phases[0].teacher
    assert teacher.component.name == ("hasty-adder" if skill == "none" else "skilled")
    writer = {"blanket": "skill-rules", "routed": "skill-rules", "placebo": "skill-placebo"}.get(skill)
    assert teacher.node.get("writer", {}).get("name") == writer


def test_the_plan_tells_what_learning_asks_and_asks_nobody(tmp_path: Path) -> None:
    config, _ = compose_run(["+experiment=citing/skillgen", "skill=placebo", f"store={tmp_path}"], plugins())
    run = check(config, plugins())
    notes = {one.stage.name: one.estimate.notes for one in plan(build(run), run, Store(tmp_path)) if one.estimate}
    assert "up to 1,320 prompts" in notes["ask/teacher"][0]
    assert not list(tmp_path.rglob("*"))


def test_the_trial_prints_how_often_placebos_pass_each_gate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["trial", "--draws", "3", "--rounds", "1"])
    trial.main()
    released, exact = capsys.readouterr().out.splitlines()
    assert released.startswith("gate=released: ")
    assert exact.startswith("gate=exact: 0 of 3 placebos pass (0.0%, 0.0% to ")
