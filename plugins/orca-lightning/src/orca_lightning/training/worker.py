"""The training process: ``python -m orca_lightning.training.worker job.json``; :func:`train` does the same in-process.

It stands alone because Lightning's launchers re-run ``sys.argv``, and a crash or a leak here must not take a sweep with it.
It speaks to its parent in lines on the standard output that begin with ``job.MARK`` (JSON follows); the rest is a log. The
standard input is a pipe that closes when the parent dies, however it dies: then this process ends too.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from transformers.utils import logging as hf_logging

from orca_core.errors import UserError
from orca_lightning.config import LightningConfig
from orca_lightning.costs.here import free_memory
from orca_lightning.costs.machines import Machine
from orca_lightning.costs.memory import check
from orca_lightning.costs.network import starting_network
from orca_lightning.job import Job, tell
from orca_lightning.launch import WATCH
from orca_lightning.network.model import parameters
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.average import in_place
from orca_lightning.training.export import export, whole_weights
from orca_lightning.training.start import starting_point
from orca_lightning.training.state import newest
from orca_lightning.training.steps import Plan
from orca_lightning.training.validation import Validator
from orca_lightning.training.verify import check_targets

if TYPE_CHECKING:  # it imports lightning, which answering (that takes the settings from here) does not need
    from orca_lightning.training.module import ResponseTraining


def train(job: Job, tell: Any = lambda **facts: None) -> None:
    """Carry out a job that is prepared, resuming an earlier attempt; leaves ``checkpoint/`` and ``metrics.jsonl``.

    Args:
        job: what to do, and where.
        tell: called with facts worth knowing on the way: those of the plan, then those of each step.

    Raises:
        UserError: the examples, the base or the rate make training impossible.
    """
    from orca_lightning.training.loop import run

    settings(job.config)
    config, corpus, tokenizer = job.config, Corpus.open(job.corpus), load_tokenizer(job.tokenizer)
    if job.moments is not None and not job.moments.is_dir():
        raise UserError(
            f"student.optimizer_state=keep: the phase before left no {job.moments}; set it for that phase as well"
        )
    check_targets(corpus)
    check_memory(job, len(tokenizer))
    start = starting_point(job, tokenizer)
    training: type[ResponseTraining] = resolve_name(config.training)
    plan = training.planned(job, corpus)
    main = is_main()
    if main:
        tell(**facts(corpus, plan, parameters(start.model)))
    module = training(start.model, config, steps=plan.steps, seed=job.seed, weights=start.weights)
    module.attach(job, plan, tokenizer)

    def leave(path: Path) -> None:
        with in_place(module.average, module.model):
            weights = whole_weights(module.model, config.export_dtype, keep=main)
            if main:
                export(path, module.model, tokenizer, weights)

    validator = None
    if job.held_out.exists():
        an_epoch = -(-plan.rows_per_epoch // plan.batch_rows)
        validator = Validator(Corpus.open(job.held_out), config, every=an_epoch)
    run(
        module,
        plan,
        job,
        tokenizer=tokenizer,
        validator=validator,
        keep_best=lambda: leave(job.best),
        report=lambda figures: tell(**figures),
    )
    leave(job.last)
    if main:
        settle(job)


def check_memory(job: Job, vocabulary: int) -> None:
    """Refuse a training that will not fit into this process' device.

    Raises:
        UserError: it will not.
    """
    config = job.config
    try:
        network = starting_network(config, job.init, vocabulary)
    except UserError as unknown:  # an architecture that cannot be reckoned: nothing is known, so nothing is refused
        print(unknown)
        return
    gpu = torch.cuda.is_available()
    # the processes of a machine share its main memory; a GPU is a process' own
    free = float(torch.cuda.mem_get_info()[0]) if gpu else free_memory() / config.devices
    name = torch.cuda.get_device_name() if gpu else "this machine's memory"
    check(config, network, Machine(name, config.devices * config.nodes, free, 0.0, is_cpu=not gpu))


def settle(job: Job) -> None:
    """Put what training left in its place; ``checkpoint/`` comes last, as it says that all is done."""
    state = newest(job.state)
    if job.config.optimizer_state == "keep" and state is not None:
        shutil.rmtree(job.own_moments, ignore_errors=True)
        shutil.copytree(state, job.own_moments, copy_function=os.link)  # the state stays: a kill here costs nothing
    (job.best if job.config.result == "best" else job.last).replace(job.checkpoint)


def is_main() -> bool:
    """Whether this process is the first of those that torchrun or Slurm started; it alone writes and speaks."""
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) == 0


def settings(config: LightningConfig) -> None:
    """Set what torch keeps globally. Denormal numbers, which confident models produce, would slow a CPU twentyfold."""
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision(config.matmul)
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # loading and saving are parts of stages that have a progress display


def facts(corpus: Corpus, plan: Plan, parameters: int) -> dict[str, float]:
    """What is known before the first step."""
    return {
        "parameters": parameters,
        "examples": len(corpus),
        "truncated": corpus.truncated,
        "dropped": corpus.dropped,
        "tokens_per_epoch": int(corpus.lengths.sum()),
        "targets_per_epoch": int(corpus.targets.sum()),
        "rows_per_epoch": plan.rows_per_epoch,
        "fill": round(plan.fill, 6),
        "packing_factor": round(plan.factor, 3),
        "steps": plan.steps,
    }


def main(path: str) -> int:
    """Run the job of a file; exit status 2 for a mistake that the user can mend, whose message has been told."""
    if os.environ.get(WATCH):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        train(Job.read(Path(path)), tell)
    except UserError as error:
        tell(failure=str(error))
        return 2
    except (OSError, SafetensorError) as error:
        if not _disk_is_full(error):
            raise
        tell(
            failure=f"the disk is full ({path}): free some space and give the same command again; the last saved state is kept"
        )
        return 2
    return 0


def _disk_is_full(error: Exception) -> bool:
    # safetensors wraps the system's error in its own and keeps the number in the text alone
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or f"os error {errno.ENOSPC}" in str(error)


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
