"""A phase whose teacher is the student itself: its own answers, judged and selected, are what it learns from."""

import json
from pathlib import Path

import pytest
from toy_project import TOY_RUN

from orca_core.tables import read_traces
from orca_core.testing.project import Project

OWN = """
defaults: [_self_]
learn:
  sampler: ${sampler}
  teacher: ${teacher}
  selector: {}
  epochs: 1
own:
  sampler: {name: sums, n: 40}
  teacher: student
  samples: 2
  selector: ${selector}
  epochs: 1
"""
RUN = (*TOY_RUN[:-1], "curriculum=own", "subjects=[student,own,learn]", "selector=[correct]")


@pytest.fixture
def conf(project: Project) -> str:
    path = project.root / "conf/curriculum/own.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(OWN)
    return f"hydra.searchpath=[file://{project.root}/conf]"


def slot(project: Project, name: str) -> Path:
    (found,) = [stage for stage in report(project)["stages"] if stage["name"] == name]
    return Path(found["path"])


def report(project: Project) -> dict:
    return json.loads(project.reports()[-1].read_text())


def test_a_phase_learns_from_the_student_before_it_and_keeps_what_the_verifier_lets_pass(project, conf):
    result = project.orca("run", *RUN, conf)
    assert result.returncode == 0, result.stderr
    traces = list(read_traces(sorted(slot(project, "ask/own").glob("traces-*.parquet"))))
    assert {trace.model for trace in traces} == {"memory"}
    assert [trace.prompt.sample for trace in traces[:4]] == [0, 1, 0, 1]
    right = [trace for trace in traces if trace.correct]
    assert 0 < len(right) < len(traces)
    (_, own) = report(project)["curriculum"]
    assert (own["teacher"], own["prompts"], own["kept"]) == ("student", len(traces), len(right))


def test_the_subject_named_after_such_a_phase_is_the_student_before_it(project, conf):
    project.orca("run", *RUN, conf)
    averages = {s["subject"]: s["value"] for s in report(project)["scores"] if s["task"] == "average"}
    assert averages["learn"] == 1.0  # the teacher adds
    # the memory learns nothing from what it knew already
    assert averages["own"] == averages["student"] < 1


def test_a_plan_counts_its_examples(project, conf):
    result = project.orca("plan", *RUN, conf)
    assert result.returncode == 0, result.stderr
    assert "at most 80 examples" in result.stdout, result.stdout


def test_with_no_phase_before_it_there_is_no_student_to_ask(project):
    result = project.orca("run", *TOY_RUN, "curriculum.teacher.teacher=student")
    assert result.returncode == 2
    assert "curriculum.teacher.teacher = 'student': no phase before it" in result.stderr


def test_a_phase_changes_what_it_names_of_the_students_config_and_nothing_beside_it(project, conf):
    project.orca("run", *RUN, conf, "+curriculum.own.student.nested.b=3", "student.nested={a: 1, b: 2}")
    told = json.loads((project.reports()[-1].parent / "manifest.json").read_text())
    assert told["config"]["curriculum"]["own"]["student"] == {"nested": {"b": 3}}
    example = next(read_traces(sorted(slot(project, "ask/own").glob("traces-*.parquet"))))
    assert example.decoding == {"a": 1, "b": 3}
