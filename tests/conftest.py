"""Fixtures of the core's tests: a scratch project with the toy plugin, driven through the ``orca`` command."""

from pathlib import Path

import pytest
from toy_project import TOY

from orca_core.testing.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in which the toy plugin is the only one beside the built-in components."""
    project = Project(tmp_path)
    project.plugin("toy", TOY)
    project.env["TOY_ASKED"] = str(tmp_path / "asked.txt")
    project.env["ORCA_BLOCK_PLUGINS"] = "reasoning,litellm,lightning,parrot"
    return project
