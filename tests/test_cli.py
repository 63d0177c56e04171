"""The command line itself: quick, light, completed, documented."""

import subprocess
import sys

import pytest
from toy_project import TOY_RUN

HEAVY = {"torch", "transformers", "litellm", "lightning", "datasets", "pyarrow", "matplotlib", "scipy", "numpy"}


def imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys; from orca_core.cli import main; main(sys.argv[1:]);"
        "print('\\nMODULES', *{name.split('.')[0] for name in sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(result.stdout.rsplit("MODULES", 1)[1].split())


@pytest.mark.parametrize("command", ["--help", "plugins"])
def test_nothing_heavy_is_imported_to_answer_a_question(command):
    assert not imported_by(command) & HEAVY


def test_help_does_not_even_import_hydra():
    assert "hydra" not in imported_by("--help")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("orca ", {"run", "plan", "plugins", "report", "completion"}),
        ("orca pl", {"plan", "plugins"}),
        ("orca run teac", {"teacher="}),
        ("orca run teacher=ad", {"teacher=adder", "teacher=adder-brief"}),
        (f"orca run {' '.join(TOY_RUN)} sampler.", {"sampler.n=", "sampler.name="}),
    ],
)
def test_completion_knows_commands_and_every_plugins_options(project, line, expected):
    result = project.orca("_complete", line)
    assert result.returncode == 0, result.stderr
    assert expected <= set(result.stdout.split())


def test_a_completion_script_works_in_bash(project):
    script = project.orca("completion", "bash").stdout
    orca = f'orca() {{ {sys.executable} -m orca_core.cli "$@"; }}'
    probe = f'{script}\n{orca}; COMP_LINE="orca pl"; COMP_POINT=7; _orca_complete; echo "${{COMPREPLY[@]}}"'
    result = subprocess.run(["bash", "-c", probe], capture_output=True, text=True, check=False, cwd=project.root)
    assert result.stdout.split() == ["plan", "plugins"], result.stderr


def test_an_unknown_shell_is_told_what_there_is(project):
    result = project.orca("completion", "bsh")
    assert result.returncode == 2
    assert "did you mean 'bash'?" in result.stderr


def test_help_lists_every_plugins_components(project):
    result = project.orca("run", "--help", *TOY_RUN)
    assert result.returncode == 0, result.stderr
    assert "adder" in result.stdout
    assert "all-sums" in result.stdout
