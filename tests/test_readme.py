"""The README is right: its commands are accepted, its hooks are all there are, its links lead somewhere."""

import json
import re
import shlex
import subprocess
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

from orca_core import hookspecs
from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.testing.project import Project

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def commands(path: Path) -> list[str]:
    """Every command in the shell blocks of a page, without prompt and comment."""
    blocks = re.findall(r"```(?:bash|console)\n(.*?)```", path.read_text(), re.S)
    lines = [line.removeprefix("$ ").split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


COMMANDS = commands(ROOT / "README.md")
PAGES = [ROOT / "README.md", *sorted((ROOT / "plugins").glob("*/README.md"))]
RUNS = sorted(
    {c for page in PAGES for c in commands(page) if re.match(r"orca +(run|plan|draw) ", c) and "--help" not in c}
)
ELSEWHERE = r"sampler=flan-\d+[km]|judge\.hub=|experiment=benchmarks|evaluator=\[(bbh|gsm8k)"
ON_THE_HUB = [command for command in RUNS if re.search(ELSEWHERE, command)]


@pytest.mark.parametrize("command", sorted({*RUNS} - {*ON_THE_HUB}))
def test_every_run_in_a_readme_composes_and_checks(tmp_path, command):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    flan_like(tmp_path)
    open_ended_like(tmp_path / "data")
    given = [word for word in shlex.split(command)[2:] if word != "-m" and not word.startswith("evaluator.bbh.path")]
    needed = bbh_like(tmp_path) if "on-bbh" in command else ()
    small = () if re.search(r"sampler[.=]", command) else ("sampler.n=60",)
    verb = "draw" if " draw " in command else "plan"
    result = Project(tmp_path).orca(verb, *given, *needed, *small)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ON_THE_HUB)
def test_every_run_on_what_is_not_here_composes_and_checks(command):
    plugins = load_plugins()
    assert check(compose_run(shlex.split(command)[2:], plugins)[0], plugins).phases


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_every_make_target_in_the_readme_exists(command):
    result = subprocess.run(
        ["make", "--dry-run", command.split()[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_every_hook_is_documented():
    hooks = {name for name in vars(hookspecs) if name.startswith("orca_")}
    assert hooks
    assert {name for name in hooks if f"`{name}`" not in README} == set()


def test_every_relative_link_leads_somewhere():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def flan_like(directory: Path) -> None:
    """The files that pages about FLAN speak of, in its forms."""
    (directory / "flan/cot").mkdir(parents=True)
    (directory / "flan/cot/gsm8k_train.tsv").write_text("How much is 1 + 2?\t3\t1 and 2 are 3.\n")
    row = {"task": "t", "definition": "Say it backwards.", "input": "ab", "output": "ba", "explanation": "Backwards."}
    (directory / "niv2.jsonl").write_text(json.dumps(row) + "\n")


def open_ended_like(directory: Path) -> None:
    """Questions and answers where the judge's page has them."""
    question, answer = {"question_id": 1, "turns": ["Why?"]}, {"question_id": 1, "text": "So."}
    for place, row in {"open_ended/vicuna": question, "vicuna_bench": question, "chatgpt/vicuna": answer}.items():
        (directory / place).parent.mkdir(parents=True, exist_ok=True)
        (directory / f"{place}.jsonl").write_text(json.dumps(row) + "\n")


def bbh_like(directory: Path) -> tuple[str, ...]:
    """Files in BIG-Bench Hard's form, and the override that names them."""
    queries = [json.loads(line) for line in (ROOT / "examples/queries.jsonl").read_text().splitlines()]
    for task, rows in groupby(sorted(queries, key=itemgetter("task")), key=itemgetter("task")):
        examples = [{"input": row["query"], "target": row["target"]} for row in rows]
        (directory / f"{task}.json").write_text(json.dumps({"examples": examples}))
    return (f"evaluator.bbh.path={directory}",)


def what_it_needs(path: Path, directory: Path) -> tuple[str, ...]:
    """The values that an experiment leaves to its user, here small ones."""
    if "orca13b" in path.read_text():  # FLAN is on the Hub
        return ("sampler=file", f"sampler.path={ROOT}/examples/queries.jsonl")
    if path.stem == "flan-cot-smollm2":
        flan_like(directory)
        return (f"sampler.collections.cot.source.path={directory}/flan/cot", "sampler.collections.cot.n=1")
    return ("sampler.n=60", *(bbh_like(directory) if path.stem == "on-bbh" else ()))


@pytest.mark.parametrize("path", sorted((ROOT / "conf/experiment").glob("**/*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_composes_and_checks(tmp_path, path):
    name = path.relative_to(ROOT / "conf/experiment").with_suffix("")
    result = Project(tmp_path).orca("plan", f"+experiment={name}", *what_it_needs(path, tmp_path))
    assert result.returncode == 0, result.stderr
