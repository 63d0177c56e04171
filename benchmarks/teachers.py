"""How fast answers are collected: every client against the same loopback server, in turn.

::

    python benchmarks/teachers.py --setup      # once: an environment for each rival, with uv
    python benchmarks/teachers.py --json teachers.json
    python benchmarks/teachers.py --soak 200000

Two settings: 2,000 prompts at 200 ms, 100 at once; 10,000 at 20 ms, 256 at once. Prompts of 300 characters, replies of 1 KB. The
server has a core of its own, the client the others. Each client is a script of ``rivals/``, run in its own environment and an
empty directory, after one short run that is not counted (compiled modules, and what our client keeps of litellm's decisions).

- wall: the whole process; loop: from the client's start to its last row, imports aside.
- CPU a request: the slope between the two settings, (CPU of the larger - CPU of the smaller) / (difference in prompts), so that
  imports and start-up fall out. User and system time of the process and its children.
- Rounds go over all clients before the next begins; the table shows medians. The file of --json is written after each run,
  and Ctrl-C ends with the medians of what there is. A round takes about five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from measure import Server, run, split_cores
from rich.console import Console
from verdict import Setting, show_comparison, show_soak

HERE: Final = Path(__file__).resolve().parent
ENVIRONMENTS: Final = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "orca-benchmarks"
FULL: Final = (Setting("200 ms", 2000, 100, 0.2), Setting("20 ms", 10_000, 256, 0.02))
QUICK: Final = (Setting("20 ms", 100, 20, 0.02), Setting("5 ms", 300, 40, 0.005))
FIRST: Final = Setting("first", 20, 10, 0.0)
QUIET: Final = {
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "CURATOR_VIEWER": "0",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "TELEMETRY_ENABLED": "false",
}
"""No client calls home, downloads anything or draws on the screen."""
SOAK_WORKERS: Final = 100
START_S: Final = 120.0
"""What a client gets beside ``SLOWEST_S`` a request before it is ended."""
SLOWEST_S: Final = 0.04


@dataclass(frozen=True)
class Client:
    """One way to collect answers."""

    script: str
    package: str
    environment: str | None = None
    """Of ``requirements-NAME.txt``; None: the one that this runs in."""

    @property
    def version(self) -> str:
        if self.environment is None:
            return metadata.version(self.package)
        pins = dict(line.split("==") for line in requirements(self.environment).read_text().split() if "==" in line)
        return pins[self.package]


CLIENTS: Final = {
    "ours": Client("ours.py", "orca-litellm"),
    "aiohttp": Client("bare_aiohttp.py", "aiohttp"),
    "flexllm": Client("flexllm_batch.py", "flexllm", "flexllm"),
    "curator": Client("curator_openai.py", "bespokelabs-curator", "curator"),
    "router": Client("litellm_router.py", "litellm", "litellm"),
    "distilabel": Client("distilabel_openai.py", "distilabel", "distilabel"),
}


def requirements(environment: str) -> Path:
    return HERE / "rivals" / f"requirements-{environment}.txt"


def set_up(root: Path, environments: Iterable[str]) -> None:
    """One environment for each rival, with exactly the pinned packages."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        sys.exit("uv is not installed: python -m pip install uv")
    for name in sorted(environments):
        python = root / name / "bin/python"
        print(f"{name}: {python.parent.parent}")
        if not python.exists():
            subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, root / name], check=True)
        subprocess.run([uv, "pip", "sync", "--quiet", "--python", python, requirements(name)], check=True)


class Benchmark:
    """The runs of one call and what they gave."""

    def __init__(self, root: Path, json_path: Path | None) -> None:
        self._root, self._json = root, json_path
        self._server_cores, self._client_cores = split_cores()
        self._keep = root / "keep"
        self.record: dict[str, Any] = {"machine": self._machine(), "not_run": {}, "runs": []}

    def _machine(self) -> dict[str, Any]:
        return {
            "python": platform.python_version(),
            "kernel": platform.release(),
            "cpu": _cpu_model(),
            "server_cores": sorted(self._server_cores),
            "client_cores": sorted(self._client_cores),
            "load": os.getloadavg()[0],
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    def measure(self, name: str, setting: Setting, server: Server, kind: str = "counted") -> dict[str, Any]:
        """Run one client once; what went wrong with it is in ``error``."""
        before = server.requests, server.cpu_s
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=self._root) as work:
            used = run(
                self._command(name, setting, server, Path(work)),
                cwd=Path(work),
                env=self._environment(Path(work)),
                cores=self._client_cores,
                timeout=START_S + SLOWEST_S * setting.n,
            )
            report, error = _read(Path(work), used.status, setting)
        entry = {"client": name, "setting": asdict(setting), "kind": kind, **asdict(used), **report, "error": error}
        entry |= {"requests": server.requests - before[0], "server_cpu_s": server.cpu_s - before[1]}
        self.record["runs"].append(entry)
        self.save()
        return entry

    def _command(self, name: str, setting: Setting, server: Server, work: Path) -> Sequence[str]:
        client = CLIENTS[name]
        python = sys.executable if client.environment is None else str(self._root / client.environment / "bin/python")
        arguments = {"url": server.url, "n": setting.n, "workers": setting.workers, "report": work / "report.json"}
        return [python, str(HERE / "rivals" / client.script), *(f"--{key}={value}" for key, value in arguments.items())]

    def _environment(self, work: Path) -> dict[str, str]:
        """Nothing of the user's but PATH: no proxy, no key, no configuration; whatever a client writes goes to ``work``."""
        here = {"PATH": os.environ["PATH"], "HOME": str(work), "LANG": "C.UTF-8"}
        return QUIET | here | {"ORCA_BENCHMARK_KEEP": str(self._keep)}

    def available(self, names: Sequence[str]) -> list[str]:
        """Those clients whose environment is there; the others are noted with the reason."""
        for name in names:
            environment = CLIENTS[name].environment
            if environment is not None and not (self._root / environment / "bin/python").exists():
                self.record["not_run"][name] = "no environment; make it with: python benchmarks/teachers.py --setup"
        return [name for name in names if name not in self.record["not_run"]]

    def first(self, names: Sequence[str]) -> list[str]:
        """One short run of each, not counted; those that fail are noted and left out."""
        with Server(FIRST.latency, self._server_cores) as server:
            for name in names:
                if error := self.measure(name, FIRST, server, "first")["error"]:
                    self.record["not_run"][name] = error
        return [name for name in names if name not in self.record["not_run"]]

    def compare(self, names: Sequence[str], settings: Sequence[Setting], rounds: int, console: Console) -> None:
        self.record |= {"settings": [asdict(setting) for setting in settings]}
        self.record["versions"] = {name: f"{CLIENTS[name].package} {CLIENTS[name].version}" for name in names}
        names = self.first(self.available(names))
        for number in range(1, rounds + 1):
            for setting in settings:
                with Server(setting.latency, self._server_cores) as server:
                    for name in names:
                        entry = self.measure(name, setting, server)
                        said = entry["error"] or f"{entry['wall_s']:.1f} s, {entry['cpu_s']:.1f} s of CPU"
                        console.print(f"round {number}, {setting.name}: {name}: {said}", style="dim", highlight=False)

    def soak(self, n: int) -> None:
        """Ours alone with so many prompts at no latency."""
        self.first(["ours"])
        with Server(0.0, self._server_cores) as server:
            self.measure("ours", Setting("soak", n, SOAK_WORKERS, 0.0), server, "soak")

    def save(self) -> None:
        if self._json is not None:
            part = self._json.with_suffix(".part")
            part.write_text(json.dumps(self.record, indent=1) + "\n")
            part.replace(self._json)


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _read(work: Path, status: int | None, setting: Setting) -> tuple[dict[str, Any], str]:
    """A runner's report, and what is wrong with the run."""
    if status != 0:
        lines = [
            line.strip() for line in (work / "output.txt").read_text(errors="replace").splitlines() if line.strip()
        ]
        reason = "ended after its time" if status is None else f"exit status {status}"
        return {}, f"{reason}: {' | '.join(lines[-3:])[-300:]}"
    report = json.loads((work / "report.json").read_text())
    return report, "" if report["rows"] == setting.n else f"{report['rows']} of {setting.n} rows"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--setup", nargs="?", type=Path, const=ENVIRONMENTS, metavar="DIR", help="make the environments"
    )
    parser.add_argument(
        "--environments", type=Path, default=ENVIRONMENTS, metavar="DIR", help="where --setup made them"
    )
    parser.add_argument("--only", default=",".join(CLIENTS), help="clients to run: %(default)s")
    parser.add_argument("--repeat", type=int, default=3, help="rounds: %(default)s")
    parser.add_argument("--quick", action="store_true", help="one round of tiny settings, to see that it works")
    parser.add_argument("--soak", nargs="?", type=int, const=200_000, metavar="N", help="ours alone, %(const)s prompts")
    parser.add_argument("--json", type=Path, metavar="PATH", help="every run and the verdict")
    options = parser.parse_args()
    if options.setup is not None:
        return set_up(options.setup, {client.environment for client in CLIENTS.values() if client.environment})
    names = options.only.split(",")
    if unknown := set(names) - set(CLIENTS):
        parser.error(f"--only: no client {', '.join(sorted(unknown))}; there are {', '.join(CLIENTS)}")
    options.environments.mkdir(parents=True, exist_ok=True)
    benchmark, console = Benchmark(options.environments, options.json), Console()
    if options.soak is not None:
        benchmark.soak(options.soak)
        show_soak(benchmark.record, console)
    else:
        settings, rounds = (QUICK, 1) if options.quick else (FULL, options.repeat)
        try:
            benchmark.compare(names, settings, rounds, console)
        except KeyboardInterrupt:
            console.print("stopped; this is what was measured until then")
        show_comparison(benchmark.record, console)
    return benchmark.save()


if __name__ == "__main__":
    main()
