"""A whole run on FLAN's files: drawn, screened, answered by the data's own explanations, selected, trained on, looked at."""

import json
from pathlib import Path

import pytest

from orca_core.tables import read_prompts, read_traces
from orca_core.testing.project import Project

RUN = (
    "sampler=flan-files",
    "sampler.collections.cot.n=260",
    "sampler.collections.niv2.n=60",
    "screen=[overlap]",
    "screen.overlap.on_overlap=drop",
    "teacher=reference",
    "teacher@curriculum.assistant.teacher=reference",
    "curriculum.assistant.teacher.style=answer",
    "curriculum.teacher.epochs=1",
    "selector=[finished,correct,refusals,length,duplicates]",
    "evaluator=[reasoning]",
    "evaluator.reasoning.families=[web_of_lies]",
    "evaluator.reasoning.n=8",
    "subjects=[student]",
    "student.model.hidden_size=32",
    "student.model.layers=1",
    "student.model.heads=2",
    "student.threads=1",
    "student.generation.max_new_tokens=8",
)


def made(directory: Path) -> Path:
    """Small files in FLAN's forms: sums that are explained, questions with options, tasks with a definition."""
    cot = directory / "flan_cot"
    cot.mkdir()
    sums = [
        f"Ann has {i} pens and buys {2 * i} more.\\nHow many has she?\t{3 * i}\tShe has {i} + {2 * i} = {3 * i}."
        for i in range(90)
    ]
    (cot / "gsm8k_train.tsv").write_text("\n".join(sums) + "\n")
    rows = [
        f'Which is larger than "{i}"?\\nOptions:\\n(A) {i - 1}\\n(B) {i + 1}\t(B)\t{i + 1} follows {i}.'
        for i in range(90)
    ]
    (cot / "aqua_train.tsv").write_text("\n".join(rows) + "\n")
    tasks = [
        {
            "task": f"task{n:03}_reverse",
            "definition": "Write the word backwards.",
            "input": f"w{n}ord",
            "output": f"w{n}ord"[::-1],
            "explanation": "Read from its end.",
        }
        for n in range(80)
    ]
    (directory / "niv2_examples.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    return directory


@pytest.fixture(params=["made", "real"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return made(tmp_path) if request.param == "made" else request.getfixturevalue("shared")


@pytest.mark.slow
def test_flan_is_drawn_answered_selected_and_trained_on(tmp_path: Path, data: Path) -> None:
    project = Project(tmp_path / "project")
    paths = [
        f"sampler.collections.cot.source.path={data}/flan_cot",
        f"sampler.collections.niv2.source.path={data}/niv2_examples.jsonl",
    ]
    result = project.orca("run", *RUN, *paths)
    assert result.returncode == 0, result.stderr
    directory = project.reports()[0].parent
    report = json.loads((directory / "report.json").read_text())
    assert {row["phase"]: row["kept"] > 0 for row in report["curriculum"]} == {"assistant": True, "teacher": True}
    slots = {stage["name"]: project.root / stage["path"] for stage in report["stages"]}

    drawn = list(read_prompts(sorted(slots["sample/assistant"].glob("*.parquet"))))
    assert 300 <= len(drawn) <= 320
    assert {prompt.query.collection for prompt in drawn} == {"cot", "niv2"}
    assert all(prompt.query.target for prompt in drawn)
    assert {p.id for p in read_prompts(slots["sample/teacher"].glob("*.parquet"))} < {prompt.id for prompt in drawn}

    kept = list(read_traces(sorted(slots["select/teacher"].glob("*.parquet"))))
    assert kept
    assert all(trace.correct and trace.prompt.query.target for trace in kept)
    assert any(len(trace.text) > 2 * len(trace.prompt.query.target or "") for trace in kept)
    assert report["funnels"]

    exported = project.orca("export", str(directory), "--format", "messages", "--out", "exported")
    assert exported.returncode == 0, exported.stderr
    assert (project.root / "exported/README.md").exists()
    again = project.orca("run", *RUN, *paths)
    assert again.returncode == 0, again.stderr
    assert all(stage["cached"] for stage in json.loads(project.reports()[-1].read_text())["stages"])
