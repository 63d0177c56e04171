"""The toy project with the teacher that keeps a log."""

from __future__ import annotations

from pathlib import Path

from toy_project import TOY, TOY_RUN

from orca_core.testing.project import Project

LOGGED = Path(__file__).with_name("logged.py").read_text()
LOGGED_RUN = (*(line for line in TOY_RUN if not line.startswith("teacher")), "teacher=logged", "subjects=[student]")


def cluster_project(root: Path) -> Project:
    """A project with both plugins."""
    project = Project(root)
    project.plugin("toy", TOY)
    project.plugin("logged", LOGGED, distribution="orca-logged")
    return project
