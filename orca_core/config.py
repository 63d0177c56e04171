"""The run's configuration: what Hydra composed, checked against the models of the core and of every component it names.

All problems are found at once and told one a line, under the key that the user can change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError

from orca_core.component import Config
from orca_core.errors import ConfigError, UserError, did_you_mean
from orca_core.parts import Part, problems_of, resolve
from orca_core.plugins import Plugins

Node = Mapping[str, Any]
OWN: Final = "student"
"""The teacher of a phase that trains the student on its own answers, as it is the name of that subject."""


class PhaseNode(Config):
    """One phase of the curriculum."""

    sampler: Any = Field(description="what is asked")
    teacher: Any = Field(
        description=f"who answers; '{OWN}': the student itself, as the phase before left it (self-training)"
    )
    selector: dict[str, Any] = Field(description="which answers are kept, one selector after the other")
    samples: int = Field(1, ge=1, description="answers that the teacher gives to each prompt")
    epochs: int = Field(1, ge=0, description="passes over the kept traces")
    student: dict[str, Any] = Field(default_factory=dict, description="this phase's changes to the student's config")


class RunNode(Config):
    """The whole run, before its components are looked up."""

    name: str = Field(pattern=r"^[\w.+-]+$")
    seed: int = Field(ge=0)
    store: Path
    curriculum: dict[str, PhaseNode]
    student: Any
    evaluator: dict[str, Any]
    subjects: list[str]
    screen: dict[str, Any] = Field(
        default_factory=dict, description="what drawn prompts are held against, one screen after the other"
    )
    dead_letters: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of a stage's prompts that may stay without an answer; the run stops beyond it",
    )
    executor: Any = Field(description="where the shards of asking and answering are worked on")
    compare: str | None = Field(
        None, description="sweeps: the variant that the others are tested against, e.g. curriculum=answer-only"
    )
    # what curricula refer to as ${sampler}, ${teacher}, ${selector}
    sampler: Any = None
    teacher: Any = None
    selector: Any = None


@dataclass(frozen=True)
class Phase:
    """A phase whose components are looked up and checked."""

    name: str
    sampler: Part
    teacher: Part | None
    """None: the student itself, as the phase before left it (:data:`OWN`)."""
    selectors: Mapping[str, Part]
    student: Part
    epochs: int
    samples: int = 1


@dataclass(frozen=True)
class RunConfig:
    """A checked run: every part exists, every value is allowed."""

    name: str
    seed: int
    store: Path
    phases: tuple[Phase, ...]
    student: Part
    evaluators: Mapping[str, Part]
    screens: Mapping[str, Part]
    subjects: tuple[str, ...]
    dead_letters: float
    executor: Part
    """Where asking and answering is done; part of no key."""
    resolved: Node
    """The composed config as plain data, for the manifest."""


def check(config: Any, plugins: Plugins) -> RunConfig:
    """Check a composed ``DictConfig``.

    Raises:
        ConfigError: with every problem found.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    OmegaConf.register_new_resolver("share", _share, replace=True)
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        resolved: dict[str, Any] = {} if missing else OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError([f"{error.full_key}: {str(error).splitlines()[0]}"]) from None
    if missing:
        raise ConfigError([f"{key}: missing; give it a value, e.g. {key}=..." for key in missing])
    try:
        run = RunNode.model_validate(resolved)
    except ValidationError as error:
        raise ConfigError(list(problems_of(error, RunNode, ""))) from None
    finder = _Finder(config, plugins)
    phases = [finder.phase(name, node, run.student) for name, node in run.curriculum.items()]
    evaluators = {name: finder.part("evaluator", node, f"evaluator.{name}") for name, node in run.evaluator.items()}
    screens = {name: finder.part("screen", node, f"screen.{name}") for name, node in run.screen.items()}
    student = finder.part("student", run.student, "student")
    executor = finder.part("executor", run.executor, "executor")
    if not phases:
        finder.problems.append("curriculum: has no phase; choose one, e.g. curriculum=single")
    elif (first := next(iter(run.curriculum.items())))[1].teacher == OWN:
        finder.problems.append(
            f"curriculum.{first[0]}.teacher = '{OWN}': no phase before it leaves a student that could answer; put one first "
            "(with epochs=0 it leaves the student as it is)"
        )
    known = ["student", "base", *run.curriculum]
    finder.problems += [f"subjects: no subject '{s}'{did_you_mean(s, known)}" for s in run.subjects if s not in known]
    if finder.problems:
        raise ConfigError(list(dict.fromkeys(finder.problems)))
    return RunConfig(
        name=run.name,
        seed=run.seed,
        store=run.store,
        phases=tuple(phases),
        student=student,
        evaluators=evaluators,
        screens=screens,
        subjects=tuple(run.subjects),
        dead_letters=run.dead_letters,
        executor=executor,
        resolved=resolved,
    )


def _merged(config: Node, changes: Node) -> Node:
    """The config with the changes, however deep these are."""
    both = (
        key for key, change in changes.items() if isinstance(change, Mapping) and isinstance(config.get(key), Mapping)
    )
    return {**config, **changes, **{key: _merged(config[key], changes[key]) for key in both}}


def _share(part: float, whole: int | None) -> int | None:
    """``${share:0.5,${student.token_budget}}``: a phase's part of a budget; a part of no budget is no budget."""
    return None if whole is None else round(part * whole)


class _Finder:
    """Looks parts up and gathers the problems instead of stopping at the first."""

    def __init__(self, config: Any, plugins: Plugins) -> None:
        self.config, self.plugins = config, plugins
        self.problems: list[str] = []

    def part(self, kind: str, node: Any, where: str) -> Part:
        try:
            return resolve(self.plugins, kind, node, where)
        except ConfigError as error:
            self.problems += map(self._as_typed, error.problems)
        except UserError as error:
            self.problems.append(self._as_typed(f"{where}: {error}"))
        return None  # type: ignore[return-value]  # never used: check() raises

    def phase(self, name: str, node: PhaseNode, student: Any) -> Phase:
        where = f"curriculum.{name}"
        merged = _merged(student, node.student) if isinstance(student, Mapping) else student
        return Phase(
            name,
            self.part("sampler", node.sampler, f"{where}.sampler"),
            None if node.teacher == OWN else self.part("teacher", node.teacher, f"{where}.teacher"),
            {key: self.part("selector", inner, f"{where}.selector.{key}") for key, inner in node.selector.items()},
            self.part("student", merged, f"{where}.student" if node.student else "student"),
            node.epochs,
            node.samples,
        )

    def _as_typed(self, problem: str) -> str:
        """A problem under the key that the user sets, so that what phases share is told once."""
        key = re.split(r": | = ", problem, maxsplit=1)[0]
        return self._typed_key(key) + problem[len(key) :]

    def _typed_key(self, where: str) -> str:
        """The key that the user sets: where ``where`` is an interpolation ``${teacher}``, that is ``teacher``."""
        from omegaconf import DictConfig, OmegaConf

        node, keys = self.config, where.split(".")
        for index, key in enumerate(keys):
            if not isinstance(node, DictConfig) or key not in node:
                return where
            if OmegaConf.is_interpolation(node, key):
                raw = OmegaConf.to_container(node, resolve=False)[key]  # type: ignore[index, call-overload]
                if match := re.fullmatch(r"\$\{([\w.@/-]+)\}", str(raw)):
                    return self._typed_key(".".join([match[1], *keys[index + 1 :]]))
                return where
            node = node[key]
        return where
