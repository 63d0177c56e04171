"""Fixtures of the core's tests: a scratch project with the toy plugin, driven through the ``orca`` command."""

import os
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


@pytest.fixture
def shared() -> Path:
    """The real data beside the checkout; the test is skipped where it is absent."""
    root = Path(os.environ.get("ORCA_SHARED", Path(__file__).resolve().parents[1] / "../shared"))
    if not (root / "data").is_dir():
        pytest.skip(f"needs the real data in {root}/data (set ORCA_SHARED)")
    return root.resolve()
