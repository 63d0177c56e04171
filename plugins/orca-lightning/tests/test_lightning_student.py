"""Fitting through the student: real child processes, interruptions, bad input, curriculum, presets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orca_lightning
import pytest
from orca_lightning import LIGHTNING, LightningConfig
from orca_lightning.child import TrainingError, run_child
from orca_lightning.job import Job
from orca_lightning.text.prepare import prepare
from orca_lightning.training.state import newest, read_facts
from orca_lightning.training.worker import train
from transformers import AutoModelForCausalLM, AutoTokenizer

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace
from orca_core.tables import write_traces


def prepared(job: Job, examples: list[Trace]) -> Job:
    job.work.mkdir(parents=True)
    prepare(job, examples, job.out.parent / "cache")
    return job


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def steps(metrics: Path) -> list[int]:
    return [json.loads(line)["step"] for line in metrics.read_text().splitlines()]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Job, list[Trace]], Job]:
    """Trains a job without interruption, in this process; once for equal jobs."""
    done: dict[tuple[str, int], Job] = {}

    def fit(job: Job, examples: list[Trace]) -> Job:
        key = (job.config.model_dump_json(exclude={"checkpoint_seconds"}), job.epochs)
        if key not in done:
            done[key] = prepared(replace(job, out=tmp_path_factory.mktemp("reference")), examples)
            train(done[key])
        return done[key]

    return fit


PARENT = """
    import sys
    from pathlib import Path
    from orca_core.component import Context
    from orca_core.tables import read_traces
    from orca_lightning import LIGHTNING, LightningConfig

    config = LightningConfig.model_validate_json(sys.argv[1])
    student = LIGHTNING.build(config, Context(7, Path(sys.argv[2]).parent, make=None))
    student.fit(list(read_traces([Path(sys.argv[3])])), epochs=6, init=None, out=Path(sys.argv[2]))
"""


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return value


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the child through /proc")
def test_a_fit_that_is_killed_then_interrupted_then_finished_gives_the_same_bits(
    config: LightningConfig,
    examples: list[Trace],
    context: Context,
    tmp_path: Path,
    reference: Callable[[Job, list[Trace]], Job],
) -> None:
    eager = config.model_copy(update={"checkpoint_seconds": 0.0})
    job = Job(eager, 6, None, tmp_path / "fit", context.seed)
    source = tmp_path / "examples.parquet"
    write_traces(source, examples)
    arguments = [textwrap.dedent(PARENT), eager.model_dump_json(), str(job.out), str(source)]
    parent = subprocess.Popen([sys.executable, "-c", *arguments])
    wait_for(lambda: job.metrics.exists() and len(steps(job.metrics)) >= 5)
    (child,) = children(parent.pid)
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(child))
    assert len(steps(job.metrics)) >= 5, "killed too early"
    assert not job.checkpoint.exists(), "killed too late"
    killed_at = read_facts(newest(job.state))["step"]

    def interrupt(done: float, total: float | None = None, **figures: float) -> None:
        if done > killed_at + 2:
            raise KeyboardInterrupt

    rare = config.model_copy(update={"checkpoint_seconds": 1e9})
    with pytest.raises(KeyboardInterrupt):
        LIGHTNING.build(rare, replace(context, progress=interrupt)).fit(examples, epochs=6, init=None, out=job.out)
    assert read_facts(newest(job.state))["step"] > killed_at + 2, "an interrupt should have saved the state"

    LIGHTNING.build(rare, context).fit(examples, epochs=6, init=None, out=job.out)
    whole = reference(job, examples)
    assert files(job.checkpoint) == files(whole.checkpoint)
    assert job.metrics.read_bytes() == whole.metrics.read_bytes()
    assert sorted(path.name for path in job.out.iterdir()) == ["checkpoint", "metrics.jsonl"]


@pytest.mark.parametrize(("stop", "saves"), [(1, True), (4, True), (3, False), (11, True)])
def test_training_cut_at_any_step_goes_on_to_the_same_bits(
    stop: int,
    saves: bool,
    config: LightningConfig,
    examples: list[Trace],
    context: Context,
    tmp_path: Path,
    reference: Callable[[Job, list[Trace]], Job],
) -> None:
    often = config.model_copy(update={"checkpoint_seconds": 0.0 if saves else 1e9})
    job = prepared(Job(often, 6, None, tmp_path / "fit", context.seed), examples)

    def cut(**facts: Any) -> None:
        if facts.get("step") == stop:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(job, cut)
    train(job)
    whole = reference(job, examples)
    assert files(job.checkpoint) == files(whole.checkpoint)
    assert job.metrics.read_bytes() == whole.metrics.read_bytes()
    assert steps(job.metrics) == list(range(1, len(steps(job.metrics)) + 1))


def test_the_student_learns_and_its_checkpoint_opens_in_transformers(
    config: LightningConfig, examples: list[Trace], context: Context, reference: Callable[[Job, list[Trace]], Job]
) -> None:
    job = reference(Job(config, 6, None, Path(), context.seed), examples)
    losses = [json.loads(line)["loss"] for line in job.metrics.read_text().splitlines()]
    assert losses[-1] < losses[0] / 2
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(job.checkpoint),
        AutoTokenizer.from_pretrained(job.checkpoint),
    )
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.chat_template
    assert not [path for path in job.checkpoint.iterdir() if path.suffix in {".bin", ".pt", ".pkl"}]


def test_the_next_phase_starts_from_the_last_checkpoint(
    config: LightningConfig,
    examples: list[Trace],
    context: Context,
    tmp_path: Path,
    reference: Callable[[Job, list[Trace]], Job],
    make_sums: Callable[..., list[Trace]],
) -> None:
    first = reference(Job(config, 6, None, Path(), context.seed), examples)
    job = prepared(Job(config, 1, first.checkpoint, tmp_path / "second", context.seed), make_sums(40, seed=5))
    train(job)
    before, after = (json.loads(job_.metrics.read_text().splitlines()[0])["loss"] for job_ in (first, job))
    assert after < before / 2
    assert files(job.checkpoint)["tokenizer.json"] == files(first.checkpoint)["tokenizer.json"]


def test_no_epochs_write_the_untrained_model_without_a_child(
    config: LightningConfig, examples: list[Trace], context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    for name in ("one", "two"):
        LIGHTNING.build(config, context).fit(examples, epochs=0, init=None, out=tmp_path / name)
    assert files(tmp_path / "one/checkpoint") == files(tmp_path / "two/checkpoint")
    AutoModelForCausalLM.from_pretrained(tmp_path / "one/checkpoint")


def test_a_finished_fit_is_not_done_again(config: LightningConfig, context: Context, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()

    def examples() -> Iterator[Trace]:
        raise AssertionError("not needed")
        yield

    LIGHTNING.build(config, context).fit(examples(), epochs=3, init=None, out=tmp_path)


def test_a_loss_that_is_not_a_number_stops_the_training(
    config: LightningConfig, examples: list[Trace], context: Context, tmp_path: Path
) -> None:
    hot = config.model_copy(update={"learning_rate": 1e30, "warmup_ratio": 0.0})
    job = prepared(Job(hot, 6, None, tmp_path / "fit", context.seed), examples)
    with pytest.raises(
        UserError, match=r"the (loss|grad_norm) is (nan|inf) at step \d+; a lower student.learning_rate"
    ):
        train(job)
    assert not job.checkpoint.exists()


@pytest.mark.parametrize("epochs", [0, 2])
def test_no_examples_are_the_users_mistake(
    config: LightningConfig, context: Context, tmp_path: Path, epochs: int
) -> None:
    with pytest.raises(UserError, match="no examples to train on"):
        LIGHTNING.build(config, context).fit(iter([]), epochs=epochs, init=None, out=tmp_path / "fit")


def test_an_empty_response_is_the_users_mistake(config: LightningConfig, context: Context, tmp_path: Path) -> None:
    silent = Trace(Prompt(Query("why?", "t")), "  ", model="m")
    with pytest.raises(UserError, match="empty response"):
        LIGHTNING.build(config, context).fit(iter([silent]), epochs=1, init=None, out=tmp_path / "fit")


def fake_child(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(
        "orca_lightning.child.command", lambda config, job: [sys.executable, "-c", textwrap.dedent(script)]
    )


def test_progress_and_a_users_mistake_come_through_from_the_child(
    config: LightningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake_child(
        monkeypatch,
        """
        print('@orca {"steps": 8, "examples": 9, "truncated": 2, "dropped": 1}')
        print('@orca {"step": 1, "tokens": 50, "loss": 0.5}')
        print('@orca {"failure": "that cannot be"}')
        raise SystemExit(2)
        """,
    )
    told: list[tuple[float, float | None, set[str]]] = []

    def progress(done: float, total: float | None = None, **figures: float) -> None:
        told.append((done, total, set(figures)))

    with pytest.raises(UserError, match="that cannot be"):
        run_child(Job(config, 1, None, tmp_path, 0), progress)
    assert told == [(0, 8, set()), (1, 8, {"loss", "tokens_per_s"})]
    assert "2 of 10 examples truncated" in caplog.text
    assert "1 of 10 examples dropped" in caplog.text


def test_a_broken_child_shows_what_it_last_said(
    config: LightningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_child(monkeypatch, "print('noise'); raise SystemExit('something broke')")
    with pytest.raises(TrainingError, match=r"status 1(.|\n)*something broke"):
        run_child(Job(config, 1, None, tmp_path, 0), lambda done, total=None, **figures: None)


def test_a_killed_child_is_explained(config: LightningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_child(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(TrainingError, match="ran out of memory"):
        run_child(Job(config, 1, None, tmp_path, 0), lambda done, total=None, **figures: None)


def test_an_interrupt_lets_the_child_save_and_then_passes_on(
    config: LightningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_child(
        monkeypatch,
        f"""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (open({str(tmp_path / "saved")!r}, "w").close(), sys.exit(0)))
        print('@orca {{"step": 1, "tokens": 5, "loss": 0.5}}', flush=True)
        time.sleep(60)
        """,
    )

    def interrupt(done: float, total: float | None = None, **figures: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(Job(config, 1, None, tmp_path, 0), interrupt)
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("preset", ["tiny", "llama-13b"])
def test_presets_are_valid(preset: str) -> None:
    import yaml

    path = Path(orca_lightning.__file__).parent / "conf/student" / f"{preset}.yaml"
    values = yaml.safe_load(path.read_text())
    assert values.pop("defaults") == ["lightning", "_self_"]
    config = LightningConfig.model_validate(values)
    if preset == "llama-13b":
        assert (config.strategy, config.max_length, config.model.vocab_size if config.model else 0) == (
            "fsdp",
            2048,
            32001,
        )


def test_contradictory_settings_are_refused() -> None:
    for values, message in (
        ({"model": None}, "either base"),
        ({"devices": 2}, "needs strategy=fsdp"),
        ({"max_length": 4096}, "exceeds the model's 2048 positions"),
        ({"model": {"heads": 3}}, "must be an even multiple"),
    ):
        with pytest.raises(ValueError, match=message):
            LightningConfig.model_validate(values)


def test_importing_the_plugin_and_building_the_student_stays_light() -> None:
    script = """
        import sys
        from pathlib import Path
        from orca_core.component import Context
        import orca_lightning
        student = orca_lightning.LIGHTNING.build(orca_lightning.LightningConfig(), Context(0, Path(), make=None))
        heavy = {"torch", "transformers", "lightning", "datasets", "numpy"} & set(sys.modules)
        assert not heavy, heavy
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"}
    )


def test_the_process_group_is_ended_when_a_child_does_not_stop(
    config: LightningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orca_lightning.child._GRACE", 0.2)
    fake_child(
        monkeypatch,
        """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('@orca {"step": %d, "tokens": 5, "loss": 0.5}' % os.getpid(), flush=True)
        time.sleep(60)
        """,
    )
    pids = []

    def interrupt(done: float, total: float | None = None, **figures: float) -> None:
        pids.append(int(done))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(Job(config, 1, None, tmp_path, 0), interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], signal.SIG_DFL)


def test_sharded_training_gives_the_same_losses_and_resumes(
    config: LightningConfig,
    examples: list[Trace],
    context: Context,
    tmp_path: Path,
    reference: Callable[[Job, list[Trace]], Job],
) -> None:
    import torch.distributed

    sharded = config.model_copy(update={"strategy": "fsdp", "checkpoint_seconds": 0.0})
    job = prepared(Job(sharded, 6, None, tmp_path / "fit", context.seed), examples)

    def cut(**facts: Any) -> None:
        if facts.get("step") == 5:
            raise InterruptedError

    try:
        with pytest.raises(InterruptedError):
            train(job, cut)
        train(job)
    finally:
        torch.distributed.destroy_process_group()
    whole = reference(replace(job, config=config), examples)
    losses = [[json.loads(line)["loss"] for line in j.metrics.read_text().splitlines()] for j in (job, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert losses[0][:5] == pytest.approx(losses[1][:5], rel=1e-5)
    AutoModelForCausalLM.from_pretrained(job.checkpoint)
