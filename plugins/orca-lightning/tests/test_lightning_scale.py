"""Training in several processes: the same losses however a step is split, states that any number of processes resumes."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import orca_lightning.training.loop  # what is imported before a fork need not be imported in it
import orca_lightning.training.sharding  # noqa: F401
import pytest
import torch
from orca_lightning import LIGHTNING, LightningConfig, Lora, ModelShape
from orca_lightning.job import Job
from orca_lightning.network.model import load_model
from orca_lightning.text.prepare import prepare
from orca_lightning.training.state import newest, read_facts
from orca_lightning.training.worker import train
from transformers import AutoModelForCausalLM

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.records import Trace

FORK = multiprocessing.get_context("fork")


def prepared(config: LightningConfig, out: Path, examples: list[Trace], *, init: Path | None = None) -> Job:
    job = Job(config, 3, init, out, 7)
    job.work.mkdir(parents=True)
    prepare(job, examples, job.out.parent / "cache")
    return job


def figures(job: Job, name: str = "loss") -> list[float]:
    return [json.loads(line)[name] for line in job.metrics.read_text().splitlines()]


def weights(job: Job) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(job.checkpoint).state_dict()
    return state


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _process(job: Job, rank: int, world: int, port: int) -> None:
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    torch.set_num_threads(1)
    train(job)
    os._exit(0)  # what the test process registered to be done at its end is not for its forks


def start(job: Job, world: int) -> list[BaseProcess]:
    port = free_port()
    processes: list[BaseProcess] = [
        FORK.Process(target=_process, args=(job, rank, world, port), daemon=True) for rank in range(world)
    ]
    for process in processes:
        process.start()
    return processes


def run(job: Job, world: int) -> Job:
    """Train in ``world`` processes to the end."""
    processes = start(job, world)
    for process in processes:
        process.join(240)
        assert process.exitcode == 0
    return job


def kill(processes: list[BaseProcess], when: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 240
    while not when():
        assert time.monotonic() < deadline, "waited too long"
        assert all(process.is_alive() for process in processes), "ended too early"
        time.sleep(0.001)
    for process in processes:
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()


@pytest.fixture
def plain(config: LightningConfig) -> LightningConfig:
    return config.model_copy(update={"batch_rows": 8, "micro_rows": 8, "max_length": 96, "checkpoint_seconds": 1e9})


@pytest.fixture
def sharded(plain: LightningConfig) -> LightningConfig:
    return plain.model_copy(update={"strategy": "fsdp"})


@pytest.fixture
def whole(plain: LightningConfig, examples: list[Trace], tmp_path: Path) -> Job:
    """Uninterrupted, one process, every step in one forward pass."""
    return run(prepared(plain, tmp_path / "whole", examples), 1)


@pytest.mark.parametrize("micro_rows", [1, 2, 4])
def test_accumulation_changes_no_loss(
    micro_rows: int, plain: LightningConfig, examples: list[Trace], tmp_path: Path, whole: Job
) -> None:
    job = run(prepared(plain.model_copy(update={"micro_rows": micro_rows}), tmp_path / "split", examples), 1)
    assert figures(job) == pytest.approx(figures(whole), rel=1e-5)
    assert figures(job, "grad_norm") == pytest.approx(figures(whole, "grad_norm"), rel=1e-4)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_any_number_of_processes_gives_the_same_losses(
    world: int, sharded: LightningConfig, examples: list[Trace], tmp_path: Path, whole: Job
) -> None:
    spread = sharded.model_copy(update={"devices": world, "micro_rows": 1})
    job = run(prepared(spread, tmp_path / "sharded", examples), world)
    assert figures(job) == pytest.approx(figures(whole), rel=1e-5)
    expected = weights(whole)
    assert all(torch.allclose(value, expected[name], atol=1e-4) for name, value in weights(job).items())


@pytest.mark.parametrize("world", [1, 2])
def test_a_killed_sharded_training_goes_on_with_any_number_of_processes(
    world: int,
    sharded: LightningConfig,
    examples: list[Trace],
    tmp_path: Path,
    whole: Job,
    caplog: pytest.LogCaptureFixture,
) -> None:
    often = sharded.model_copy(update={"devices": 2, "checkpoint_seconds": 0.0})
    job = prepared(often, tmp_path / "sharded", examples)
    kill(start(job, 2), lambda: read_facts(newest(job.state)).get("step", 0) >= 4)
    step = read_facts(newest(job.state))["step"]
    assert 4 <= step < len(figures(whole)), "killed too late"
    run(replace(job, config=often.model_copy(update={"devices": world})), world)
    assert figures(job) == pytest.approx(figures(whole), rel=1e-5)


def test_killed_at_twenty_random_moments_it_ends_in_the_same_bits(
    plain: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    small = plain.model_copy(update={"batch_rows": 1, "micro_rows": 1, "checkpoint_seconds": 0.0})
    whole = run(prepared(small, tmp_path / "whole", examples), 1)
    steps, draw = len(figures(whole)), random.Random(5)
    job = prepared(small, tmp_path / "killed", examples)
    for stop in sorted(draw.sample(range(1, steps - 2), 20)):
        # moments within a step, too: some fall while a state is being written
        kill(start(job, 1), lambda stop=stop: job.metrics.exists() and len(figures_so_far(job)) >= stop)
        assert not job.checkpoint.exists(), "killed too late"
    run(job, 1)
    assert job.metrics.read_bytes() == whole.metrics.read_bytes()
    for file in whole.checkpoint.iterdir():
        assert (job.checkpoint / file.name).read_bytes() == file.read_bytes(), file.name


def figures_so_far(job: Job) -> list[str]:
    return job.metrics.read_text().splitlines()


def test_recomputed_activations_change_no_loss(
    plain: LightningConfig, examples: list[Trace], tmp_path: Path, whole: Job
) -> None:
    job = run(prepared(plain.model_copy(update={"activation_checkpointing": True}), tmp_path / "saving", examples), 1)
    assert figures(job) == pytest.approx(figures(whole), rel=1e-6)


@pytest.fixture
def base(examples: list[Trace], whole: Job, tmp_path: Path) -> Path:
    """A pretrained model in bfloat16 in several files, without the padding token that we add."""
    from orca_lightning.text.tokenizer import load_tokenizer

    model = AutoModelForCausalLM.from_pretrained(whole.checkpoint, dtype=torch.bfloat16)
    path = tmp_path / "base"
    model.save_pretrained(path, max_shard_size="20KB")
    tokenizer = load_tokenizer(whole.checkpoint)
    tokenizer.save_pretrained(path)
    assert len(list(path.glob("*.safetensors"))) > 1
    return path


def test_a_sharded_base_is_read_from_its_files_as_it_is_whole(
    base: Path, sharded: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    # chatml adds tokens, so the embedding grows as well
    settings = {"base": str(base), "model": None, "template": "chatml"}
    alone = sharded.model_copy(update={**settings, "strategy": "single"})
    expected = run(prepared(alone, tmp_path / "alone", examples), 1)
    spread = sharded.model_copy(update={**settings, "devices": 2})
    job = run(prepared(spread, tmp_path / "spread", examples), 2)
    assert figures(job) == pytest.approx(figures(expected), rel=1e-5)
    assert (
        load_model(job.checkpoint).get_input_embeddings().weight.shape[0]
        > load_model(base).get_input_embeddings().weight.shape[0]
    )


@pytest.mark.parametrize("kind", ["qwen3", "mistral"])
def test_other_architectures_are_sharded_too(
    kind: str, base: Path, sharded: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    from transformers import AutoConfig

    shape = AutoConfig.from_pretrained(base)
    config = AutoConfig.for_model(
        kind,
        vocab_size=shape.vocab_size,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
        sliding_window=None,
    )
    torch.manual_seed(0)
    made: Any = AutoModelForCausalLM
    made.from_config(config).save_pretrained(base)
    for file in base.glob("model-*.safetensors"):
        file.unlink()
    (base / "model.safetensors.index.json").unlink()
    settings = {"base": str(base), "model": None}
    alone = run(prepared(sharded.model_copy(update={**settings, "strategy": "single"}), tmp_path / "a", examples), 1)
    job = run(prepared(sharded.model_copy(update={**settings, "devices": 2}), tmp_path / "b", examples), 2)
    assert figures(job) == pytest.approx(figures(alone), rel=1e-5)


def test_adapters_are_sharded_beside_a_base_that_is_read_from_its_files(
    base: Path, sharded: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    settings = {"base": str(base), "model": None, "lora": Lora(rank=4, alpha=8), "ema": 0.9}
    alone = run(prepared(sharded.model_copy(update={**settings, "strategy": "single"}), tmp_path / "a", examples), 1)
    spread = sharded.model_copy(update={**settings, "devices": 2, "checkpoint_seconds": 0.0})
    job = prepared(spread, tmp_path / "b", examples)
    kill(start(job, 2), lambda: read_facts(newest(job.state)).get("step", 0) >= 4)
    run(job, 2)
    assert figures(job) == pytest.approx(figures(alone), rel=1e-5)
    expected = weights(alone)
    assert all(torch.allclose(value, expected[name], atol=1e-4) for name, value in weights(job).items())


def test_moments_in_eight_bits_are_sharded_and_go_on_with_as_many_processes(
    sharded: LightningConfig, examples: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchao")
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)  # takes a C compiler a minute
    wide = ModelShape(hidden_size=128, layers=2, heads=2, intermediate_size=256, vocab_size=400, positions=256)
    low = sharded.model_copy(
        update={
            "model": wide,
            "optimizer": "adamw-8bit",
            "devices": 2,
            "checkpoint_seconds": 0.0,
            "learning_rate": 1e-3,
        }
    )
    whole = run(prepared(low, tmp_path / "whole", examples), 2)
    job = prepared(low, tmp_path / "killed", examples)
    kill(start(job, 2), lambda: read_facts(newest(job.state)).get("step", 0) >= 3)
    (other,) = start(replace(job, config=low.model_copy(update={"devices": 1})), 1)
    other.join(240)
    assert other.exitcode != 0, "the blocks of two shards cannot be those of one"
    run(job, 2)
    assert figures(job) == figures(whole)


def test_weights_that_lack_a_parameter_are_refused(
    base: Path, sharded: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    index = base / "model.safetensors.index.json"
    (base / json.loads(index.read_text())["weight_map"]["model.norm.weight"]).unlink()
    job = prepared(sharded.model_copy(update={"base": str(base), "model": None}), tmp_path / "fit", examples)
    try:
        with pytest.raises(UserError, match=r"lack \d+ of the model's parameters|cannot be read"):
            train(job)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def test_a_saved_state_that_is_broken_is_told_with_its_place(
    plain: LightningConfig, examples: list[Trace], tmp_path: Path
) -> None:
    often = plain.model_copy(update={"checkpoint_seconds": 0.0})
    job = prepared(often, tmp_path / "fit", examples)

    def cut(**facts: Any) -> None:
        if facts.get("step") == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(job, cut)
    state = job.state / "00000004"
    deadline = time.monotonic() + 60
    while newest(job.state) != state:  # it is written behind the training
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (shard,) = state.glob("*.distcp")
    shard.write_bytes(shard.read_bytes()[:-2000])
    with pytest.raises(UserError, match=rf"{state}.*delete this directory"):
        train(job)


SRUN = """#!{python}
# stands in for Slurm's srun: two tasks on "two nodes", which are this machine, with what Slurm tells its tasks
import os, subprocess, sys
arguments = sys.argv[1:]
options = dict(a.lstrip("-").split("=") for a in arguments if a.startswith("--"))
command = arguments[len(options):]
nodes, each = int(options["nodes"]), int(options["ntasks-per-node"])
told = {{
    "SLURM_JOB_ID": "{job}", "SLURM_JOB_NAME": "orca", "SLURM_NODELIST": "127.0.0.1", "SLURM_JOB_NODELIST": "127.0.0.1",
    "SLURM_NNODES": str(nodes), "SLURM_NTASKS": str(nodes * each), "SLURM_NTASKS_PER_NODE": str(each),
}}
tasks = [
    subprocess.Popen(command, env=os.environ | told | {{
        "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank % each), "SLURM_NODEID": str(rank // each)}})
    for rank in range(nodes * each)
]
sys.exit(max(task.wait() for task in tasks))
"""


@pytest.mark.slow
def test_srun_starts_the_processes_of_several_nodes(
    sharded: LightningConfig,
    whole: Job,
    examples: list[Trace],
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Against a stand-in for Slurm: its commands and variables, not its scheduler."""
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(SRUN.format(python=sys.executable, job=random.Random(os.getpid()).randrange(10_000)))
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{srun.parent}{os.pathsep}{os.environ['PATH']}")
    config = sharded.model_copy(update={"nodes": 2, "launcher": "srun", "threads": 1})
    out = tmp_path / "fit"
    LIGHTNING.build(config, replace(context, seed=whole.seed)).fit(examples, epochs=3, init=None, out=out)
    done = Job(config, 3, None, out, whole.seed)
    assert figures(done) == pytest.approx(figures(whole), rel=1e-5)
    for name, value in weights(whole).items():
        assert torch.allclose(weights(done)[name], value, atol=1e-4), name
