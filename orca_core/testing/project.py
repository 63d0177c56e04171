"""A scratch project for tests: plugins made of a string of source, and the real ``orca`` command in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from orca_core.testing.forks import run_orca


class Project:
    """A directory with its own store and its own plugins, installed the way a package manager leaves them."""

    def __init__(self, root: Path) -> None:
        self.root, self.site = root, root / "site"
        self.site.mkdir(parents=True, exist_ok=True)
        self.env = {"PYTHONPATH": str(self.site), "ORCA_STORE": str(root / "store"), "COLUMNS": "200"}

    def plugin(self, name: str, source: str, *, distribution: str | None = None) -> Path:
        """Install a one-module plugin under the entry-point group ``orca``; returns the module's file."""
        distribution = distribution or name
        module = distribution.replace("-", "_")
        info = self.site / f"{module}-0.1.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 0.1\n")
        (info / "entry_points.txt").write_text(f"[orca]\n{name} = {module}\n")
        path = self.site / f"{module}.py"
        path.write_text(dedent(source))
        return path

    def orca(self, *arguments: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        """Run ``orca ARGUMENTS`` to its end, in a fork (:mod:`orca_core.testing.forks`)."""
        return run_orca(arguments, self.root, self._env(env), timeout)

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start ``orca ARGUMENTS`` in a process group of its own, to be interrupted or killed."""
        command = [sys.executable, "-m", "orca_core.cli", *arguments]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=self._env(env),
            start_new_session=True,
        )

    def kill(self, process: subprocess.Popen[str]) -> None:
        """``kill -9`` of that one process: what it started has to notice by itself."""
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    def reports(self) -> list[Path]:
        """The report.json of every run so far, oldest first; draws leave theirs elsewhere."""
        return sorted(self.root.glob("outputs/*/[0-9]*/report.json"))

    def _env(self, extra: dict[str, str]) -> dict[str, str]:
        return os.environ | self.env | extra
