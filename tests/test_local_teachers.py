"""The page on local teachers is right: its commands compose and check, its links lead somewhere, what can run here runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from orca_core import plugins as plugin_loading
from orca_core.compose import compose_run
from orca_core.config import check

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "docs/local-teachers.md",
    *(ROOT / f"plugins/orca-{name}/README.md" for name in ("transformers", "smollm2")),
]


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
    return [line.split(" #")[0].strip() for block in blocks for line in block.splitlines() if line.startswith("orca ")]


@pytest.mark.parametrize("command", sorted({command for page in PAGES for command in commands(page)}))
def test_every_command_composes_and_checks(command):
    words = shlex.split(command)
    assert words[1] in {"run", "plan"}
    plugins = plugin_loading.load(strict=True)
    config, _ = compose_run(words[2:], plugins)
    run = check(config, plugins)
    teacher = next(match[1] for word in words if (match := re.match(r"teacher(?:@[\w.]+)?=(.+)", word)))
    expected = {"openai-compatible": "litellm", "qwen2.5-7b-instruct": "transformers"}.get(teacher, teacher)
    assert expected in {phase.teacher.component.name for phase in run.phases}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name + "/" + page.name)
def test_every_link_leads_somewhere(page):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if not link.startswith("http")]
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_recipe_says_whether_it_was_tried():
    page = PAGES[0].read_text()
    recipes = re.findall(r"^### (.+)$", page, re.M)
    tried = page.partition("## What was tried")[2]
    assert recipes
    assert [recipe for recipe in recipes if recipe not in tried] == []
