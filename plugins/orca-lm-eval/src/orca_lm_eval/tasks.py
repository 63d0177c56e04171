"""The tasks of lm-eval, loaded with everything that makes their prompts the same each time."""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from orca_core.errors import UserError, did_you_mean
from orca_lm_eval.config import LmEvalConfig


class Loaded(NamedTuple):
    """What a config names."""

    tasks: dict[str, Any]
    """Every ``lm_eval.api.task.Task`` by its name."""
    groups: dict[str, Any]
    """The outermost ``lm_eval.api.group.Group`` that have figures of their own, by their names."""


RANDOM_SEED: Final = 0
OTHER_SEED: Final = 1234
"""The seeds of ``lm_eval.simple_evaluate``: of ``random``, and of numpy and the choice of worked examples."""


@contextmanager
def as_lm_eval_runs() -> Iterator[None]:
    """Global random numbers as ``simple_evaluate`` seeds them, no worker processes, and no progress bars of its own.

    Afterwards, the random numbers are where they were. What lm-eval logs is logged.
    """
    import numpy as np

    before, numpy_before = random.getstate(), np.random.get_state()
    processes = os.environ.get("DISABLE_MULTIPROC")
    random.seed(RANDOM_SEED)
    np.random.seed(OTHER_SEED)
    os.environ["DISABLE_MULTIPROC"] = "1"
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)
        del os.environ["DISABLE_MULTIPROC"]
        if processes is not None:
            os.environ["DISABLE_MULTIPROC"] = processes


def load(config: LmEvalConfig) -> Loaded:
    """The tasks that the config names, of a group or tag its members, set as ``simple_evaluate`` would; and these groups.

    Raises:
        UserError: a task is unknown, is named twice, cannot be built, lacks its data, or cannot be asked.
    """
    manager = _manager(config.tasks, config.include_path)
    tasks: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for name in config.tasks:
        built = _build(manager, name)
        groups |= {group.name: group for group in _with_figures(built["groups"].values())}
        for task in built["tasks"].values():
            if task.task_name in tasks:
                raise UserError(
                    f"evaluator.lm-eval.tasks: {task.task_name} is there twice, the second time by '{name}'"
                )
            tasks[task.task_name] = task
    for name, task in tasks.items():
        _check(name, task, config)
        _set(task, config)
    return Loaded(tasks, groups)


def _with_figures(groups: Iterable[Any]) -> Iterator[Any]:
    """These groups, or, of one that aggregates nothing, those within it."""
    for group in groups:
        if group.has_aggregation:
            yield group
        else:
            yield from _with_figures(group.get_all_groups(recursive=False))


def _manager(names: Sequence[str], folders: Sequence[Path]) -> Any:
    """A manager that knows the names. lm-eval's own 14,000 take ten seconds to be listed: only where they are needed."""
    from lm_eval.tasks._index import Kind

    if folders:
        own = _task_manager(tuple(folders), False)
        kinds = [entry.kind if (entry := own.task_index.get(name)) else None for name in names]
        if all(kind in (Kind.TASK, Kind.PY_TASK) for kind in kinds):
            return own
    manager = _task_manager(tuple(folders), True)
    for name in names:
        if name not in manager.task_index:
            raise UserError(
                f"evaluator.lm-eval.tasks: lm-eval has no task, group or tag '{name}'"
                f"{_nearest(name, manager.all_tasks)}; `lm-eval ls tasks` lists its own, and "
                "evaluator.lm-eval.include_path names folders with more"
            )
    return manager


def _nearest(name: str, known: Sequence[str]) -> str:
    near = did_you_mean(name, known)
    return near if "did you mean" in near else ""  # nobody reads a list of 14,000


@functools.cache
def _task_manager(folders: tuple[Path, ...], defaults: bool) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=list(folders), include_defaults=defaults)


def _build(manager: Any, name: str) -> dict[str, Any]:
    try:
        built: dict[str, Any] = manager.load([name])
        return built
    except OSError as error:  # what datasets and the hub raise for what is not there, or not within reach
        raise UserError(
            f"lm-eval task '{name}': its data could not be loaded: {_short(error)}. It comes from the dataset_path of the "
            "task's YAML: a file that is missing, or a data set of the Hugging Face hub that needs a network or a login"
        ) from error
    except Exception as error:  # a task is YAML with templates and Python of its own
        raise UserError(f"lm-eval task '{name}' cannot be built: {type(error).__name__}: {_short(error)}") from error


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _check(name: str, task: Any, config: LmEvalConfig) -> None:
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        raise UserError(
            f"lm-eval task '{name}' asks for the likelihood of whole documents (loglikelihood_rolling), which prompts with "
            "choices cannot carry; leave it out, or run lm-eval itself on the checkpoint"
        )
    if getattr(task, "MULTIMODAL", False):
        raise UserError(f"lm-eval task '{name}' asks about images or sound, and prompts are text; leave it out")
    if getattr(task, "UNSAFE_CODE", False) and not config.unsafe_code:
        raise UserError(
            f"lm-eval task '{name}' runs code that the model wrote; where that may be, set evaluator.lm-eval.unsafe_code=true"
        )


def _set(task: Any, config: LmEvalConfig) -> None:
    """What ``simple_evaluate`` does to a task before it is asked."""
    own = task.get_config("num_fewshot")
    if own != 0:  # a task that says 0 has its reasons
        task.set_config(key="num_fewshot", value=(own or 0) if config.num_fewshot is None else config.num_fewshot)
    if config.gen_kwargs and task.get_config("output_type") == "generate_until":
        task.set_config(key="generation_kwargs", value=dict(config.gen_kwargs), update=True)
    task.set_fewshot_seed(seed=OTHER_SEED)
