"""The ``orca`` command in forks of one process that has imported the core: a test does not wait for these imports each time.

A fork is a process of its own, with its own directory, environment and output, and imports plugins and all that is heavy by
itself. The parent writes a request as a line of JSON; the server answers with the fork's process id, and later how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from select import select
from typing import IO, Any, Final, NoReturn

_PRELOADED: Final = ("numpy", "rich.table", "orca_core.app", "orca_core.app_draw", "orca_core.app_export")
"""What most commands import anyhow; none of it depends on directory or environment."""


def run_orca(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What ``orca ARGUMENTS`` says, and how it ends.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``timeout`` seconds, and was killed.
    """
    command, (asks, answers) = ["orca", *arguments], _server()
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        request = {"command": command, "cwd": str(cwd), "env": dict(env), "said": [str(path) for path in said]}
        print(json.dumps(request), file=asks, flush=True)
        pid = int(answers.readline())
        in_time = select([answers], [], [], timeout)[0]
        if not in_time:
            os.kill(pid, signal.SIGKILL)
        status = int(answers.readline())
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in said]
    if not in_time:
        raise subprocess.TimeoutExpired(command, timeout, *texts)
    return subprocess.CompletedProcess(command, status, *texts)


@cache
def _server() -> tuple[IO[str], IO[str]]:
    """Where to ask and where answers come from; the server ends when this process does."""
    command = [sys.executable, "-m", "orca_core.testing.forks"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _become(command: Sequence[str], cwd: str, env: Mapping[str, str], said: Sequence[str]) -> NoReturn:
    """Be that command, from here to the end of the process."""
    from orca_core.cli import main

    for number, path in enumerate([os.devnull, *said]):
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(command)
    sys.path[:1] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.exit(main())


def _serve() -> None:
    for name in _PRELOADED:
        import_module(name)
    while request := sys.stdin.readline():
        told: dict[str, Any] = json.loads(request)
        pid = os.fork()
        if not pid:
            _become(**told)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
