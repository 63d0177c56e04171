"""Slurm's commands as submitit uses them, on this machine: one file under four names, jobs as processes.

Not Slurm: no queue, no limits. What it shows is that arrays, parameters, states and cancelling are spoken as Slurm understands them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(sys.argv[0]).parent
JOBS = HERE / "jobs"


def install(directory: Path) -> None:
    """Make the commands in a directory that is to be put on the PATH."""
    (directory / "jobs").mkdir(parents=True)
    for name in ("sbatch", "srun", "sacct", "scancel"):
        command = directory / name
        command.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
        command.chmod(0o755)


def sbatch(script: str) -> None:
    text = Path(script).read_text()
    number = len(list(HERE.glob("*.sh"))) + 1
    (HERE / f"{number}.sh").write_text(text)
    array = re.search(r"--array=0-(\d+)%(\d+)", text)
    for index in range(int(array[1]) + 1) if array else [None]:
        name = str(number) if index is None else f"{number}_{index}"
        job = {"SLURM_JOB_ID": str(number), "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_NODEID": "0"}
        job |= {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "localhost", "FAKE_JOB": name}
        if index is not None:
            job |= {"SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(index)}
        log = (JOBS / f"{name}.log").open("w")
        shell = f"bash {HERE}/{number}.sh; echo $? > {JOBS}/{name}.ended"
        process = subprocess.Popen(
            ["bash", "-c", shell], env=os.environ | job, stdout=log, stderr=log, start_new_session=True
        )
        (JOBS / f"{name}.pid").write_text(str(process.pid))
    print(f"Submitted batch job {number}")


def srun(*words: str) -> None:
    rest = list(words)
    while rest[0].startswith("--"):
        rest = rest[2:] if rest[0] in ("--output", "--error") else rest[1:]
    os.execvp(rest[0], rest)


def sacct(*words: str) -> None:
    print("JobID|State|NodeList")
    for pid in sorted(JOBS.glob("*.pid")):
        ended = pid.with_suffix(".ended")
        state = "RUNNING" if not ended.exists() else "COMPLETED" if ended.read_text().strip() == "0" else "FAILED"
        print(f"{pid.stem}|{state}|localhost")


def scancel(name: str) -> None:
    os.killpg(int((JOBS / f"{name}.pid").read_text()), 15)


if __name__ == "__main__":
    globals()[Path(sys.argv[0]).name](*sys.argv[1:])
