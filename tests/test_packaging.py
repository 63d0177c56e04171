"""What a user installs: the built wheels in a fresh environment outside the checkout, and a third-party plugin beside them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = [ROOT, *sorted((ROOT / "plugins").glob("orca-*"))]
SMALL = (
    "curriculum=single",
    "sampler=reasoning",
    "evaluator=[reasoning]",
    "sampler.families=[web_of_lies]",
    "sampler.n=40",
    "student.model.hidden_size=32",
    "student.model.layers=1",
    "student.model.heads=2",
    "curriculum.teacher.epochs=1",
    "evaluator.reasoning.families=[web_of_lies]",
    "evaluator.reasoning.n=5",
)


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def uv() -> Path:
    path = Path(sys.executable).with_name("uv")
    if not path.exists():
        pytest.skip("needs uv beside the interpreter (make install puts it there)")
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, uv: Path) -> Path:
    """A virtual environment with the wheels of the core and of every plugin, built from here, installed outside the checkout."""
    directory = tmp_path_factory.mktemp("fresh")
    for project in PROJECTS:
        run(uv, "build", "--quiet", "--wheel", "--out-dir", directory / "wheels", project, cwd=directory)
    run(uv, "venv", "--quiet", "--python", sys.executable, directory / "venv", cwd=directory)
    wheels = sorted((directory / "wheels").glob("*.whl"))
    install = (
        "pip",
        "install",
        "--quiet",
        "--python",
        directory / "venv/bin/python",
        "--constraint",
        ROOT / "constraints.txt",
    )
    run(uv, *install, *wheels, cwd=directory)
    return directory


@pytest.mark.slow
def test_the_built_wheels_run_in_a_fresh_environment(environment: Path) -> None:
    output = run(environment / "venv/bin/orca", "run", *SMALL, cwd=environment)
    assert "report.html" in output
    assert list(environment.glob("outputs/*/*/report.html"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_a_plugin_from_outside_shows_up_everywhere_and_runs(
    environment: Path, uv: Path, tmp_path: Path, kind: str
) -> None:
    import shutil

    source = tmp_path / "plugin"
    shutil.copytree(
        ROOT / "examples/plugin", source, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
    )
    orca, python = environment / "venv/bin/orca", environment / "venv/bin/python"
    flags = ("--editable",) if kind == "editable" else ()
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", *flags, source, cwd=tmp_path)
    try:
        assert "parrot" in run(orca, "plugins", cwd=environment)
        assert "parrot" in run(orca, "run", "--help", cwd=environment)
        assert "teacher=parrot" in run(orca, "_complete", "orca run teacher=pa", cwd=environment)
        run(orca, "run", *SMALL, "teacher=parrot", cwd=environment)
    finally:
        run(uv, "pip", "uninstall", "--quiet", "--python", python, "orca-parrot", cwd=tmp_path)
