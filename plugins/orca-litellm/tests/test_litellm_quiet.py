"""litellm has habits: a price list from the network, ``.env`` files. Here it has none, in the child and in this process alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = """
import os, sys

def note(event, arguments):
    network = event in ("socket.connect", "socket.getaddrinfo", "socket.sendto")
    if network or (event == "open" and str(arguments[0]).endswith(".env")):
        with open(os.path.join({home!r}, "noted.txt"), "a") as file:
            file.write(f"{{event}} {{arguments!r}}\\n")

sys.addaudithook(note)
"""
IN_THE_CHILD = """
from pathlib import Path
from orca_litellm.facts import get_facts
assert get_facts("openai/gpt-4.1", {"temperature": 0.5}, None, Path("cache")).plain
"""
IN_THIS_PROCESS = """
import os
from orca_litellm.endpoints.via_litellm import load_litellm
assert load_litellm().model_cost["gpt-4.1"]
assert "FROM_DOTENV" not in os.environ
"""


def noted(home: Path, code: str) -> list[str]:
    """What the code, and every Python process that it starts, connected to or read in the way of ``.env``."""
    (home / "sitecustomize.py").write_text(AUDIT.format(home=str(home)))
    (home / ".env").write_text("FROM_DOTENV=1\n")
    path = os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    for name in ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_MODE"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", code], cwd=home, env=environment, check=True)
    file = home / "noted.txt"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("code", [IN_THE_CHILD, IN_THIS_PROCESS])
def test_litellm_is_imported_without_the_network_and_without_env_files(tmp_path: Path, code: str) -> None:
    assert noted(tmp_path, code) == []


def test_the_audit_would_notice(tmp_path: Path) -> None:
    code = "import socket; open('.env').close(); socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"
    assert [line.split()[0] for line in noted(tmp_path, code)] == ["open", "socket.connect"]
