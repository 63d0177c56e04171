"""The evaluators: one per suite, all alike. Asks every item by each protocol and scores each task by each metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Final, Literal

from pydantic import Field, create_model, field_validator, model_validator

from orca_benchmarks import protocols
from orca_benchmarks.exemplars import written_out
from orca_benchmarks.items import Item, Space
from orca_benchmarks.loading import drawn, load
from orca_benchmarks.prompting import Style, unexplained
from orca_benchmarks.protocols import DISTANCE, METRICS, PAPER, Manner, Protocol
from orca_benchmarks.references import ORCA, references
from orca_benchmarks.suites import SUITES, Suite
from orca_core.component import Component, Config, Context
from orca_core.errors import UserError, did_you_mean
from orca_core.protocols import Evaluator
from orca_core.records import Prompt, Score, Trace
from orca_core.stats import proportion_score


class BenchmarkConfig(Config):
    """A benchmark, asked and scored by several protocols side by side."""

    path: Path | None = Field(None, description="directory with a file per task, or one file; none: the Hub")
    dataset: str = Field(description="the data set on the Hub; {task} stands for the task")
    tasks: tuple[str, ...] = Field(description="tasks, or names of several: all, ...")
    protocols: tuple[Protocol, ...] = Field(
        ("paper", "robust"), min_length=1, description="any of: paper, robust, likelihood (only students can)"
    )
    both_readers: bool = Field(False, description="read each written answer by the paper's reader and the robust one")
    n: int | None = Field(None, ge=1, description="items of each task, drawn; none: all")
    seed: int = Field(0, ge=0, description="of the draws of items and exemplars; not the run's")
    system: str = Field("", description="the system message; the paper's is empty")
    max_tokens: int | None = Field(None, ge=1, description="longest written answer; none: the responder's own")
    shots: int = Field(0, ge=0, description="robust: worked exemplars before the question, of the task's other items")
    steps: bool = Field(False, description="robust: ask for a chain of thought")
    exemplars: Path | None = Field(
        None, description="robust: directory of <task>.txt with exemplars written out (BIG-Bench Hard's cot-prompts)"
    )
    scored: Literal["labels", "texts"] = Field(description="likelihood: continuations that are compared")

    @model_validator(mode="after")
    def _one_kind_of_exemplars(self) -> BenchmarkConfig:
        if self.exemplars and self.shots:
            raise ValueError("shots and exemplars: give one of them")
        return self


@dataclass
class _Tally:
    """The outcomes of a task by a metric."""

    correct: dict[str, bool] = field(default_factory=dict)
    readable: int = 0
    chances: list[float] = field(default_factory=list)
    targets: Counter[str] = field(default_factory=Counter)

    def add(self, trace: Trace, outcome: protocols.Outcome) -> None:
        query = trace.prompt.query
        self.correct[trace.prompt.id] = outcome.correct
        self.readable += outcome.format_ok
        self.chances.append(Space(query.meta["form"], tuple(query.meta["options"])).chance)
        self.targets[query.target or ""] += 1


class BenchmarkEvaluator:
    """Never needs all answers at once; what it has to know of an item travels in the query's meta."""

    def __init__(self, suite: Suite, config: BenchmarkConfig) -> None:
        self._suite, self._config = suite, config

    def prompts(self) -> Iterator[Prompt]:
        config, tasks = self._config, _chosen(self._suite, self._config.tasks)
        for task, items in load(self._suite, tasks, config.path, config.dataset):
            asked, style = self._style(task, items)
            manner = Manner(
                self._suite.name, self._suite.capitals, config.scored, style, config.system, config.max_tokens
            )
            for protocol in config.protocols:
                prompts = (protocols.prompt(protocol, item, manner) for item in drawn(asked, config.n, config.seed))
                yield from _numbered(prompt for prompt in prompts if prompt)

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        tallies: dict[tuple[str, str], _Tally] = {}
        for trace in traces:
            for outcome in protocols.outcomes(trace, self._config.both_readers):
                tallies.setdefault((trace.prompt.query.task, outcome.metric), _Tally()).add(trace, outcome)
        order = list(self._suite.tasks)
        for task, metric in sorted(tallies, key=lambda key: (METRICS.index(key[1]), order.index(key[0]))):
            score = self._score(task, metric, tallies[task, metric])
            yield score
            if metric == PAPER and ORCA in score.references:
                yield _distance(score)

    def _style(self, task: str, items: list[Item]) -> tuple[list[Item], Style]:
        """The items that are left to be asked, and how the robust protocol asks them."""
        config = self._config
        if config.exemplars:
            return items, Style(worked=written_out(config.exemplars, task))
        if not config.shots:
            return items, Style(steps=config.steps)
        if config.shots >= len(items):
            raise UserError(
                f"{self._suite.name}.shots: {task} has {len(items)} items, {config.shots} cannot be exemplars"
            )
        places = Random(f"{config.seed}/{task}/exemplars").sample(range(len(items)), config.shots)
        shown = tuple(items[place] for place in places)
        if config.steps and unexplained(shown):
            raise UserError(
                f"{self._suite.name}.steps: the items of {task} come without explanations, so they cannot be exemplars of a "
                "chain of thought; give exemplars=DIRECTORY, or shots=0"
            )
        return [item for place, item in enumerate(items) if place not in places], Style(shown, steps=config.steps)

    def _score(self, task: str, metric: str, tally: _Tally) -> Score:
        n = len(tally.correct)
        majority = max(tally.targets.values()) / n
        return proportion_score(
            task,
            tally.correct,
            metric=metric,
            chance=fmean(tally.chances),
            format_ok=tally.readable / n,
            references={"majority": majority, **references(self._suite.name, task)},
        )


def _distance(score: Score) -> Score:
    """How many points a task stands above Orca-13B's published figure, whose own error is unknown and not in the interval."""
    published = score.references[ORCA]
    value, low, high = (100 * (figure - published) for figure in (score.value, *score.ci95))
    return replace(score, metric=DISTANCE, value=value, ci95=(low, high), chance=None, items={}, references={})


def _chosen(suite: Suite, names: Iterable[str]) -> list[str]:
    """Tasks by their names and the names of groups, each once, in the suite's order."""
    groups = {"all": suite.tasks, **suite.groups}
    chosen = {task for name in names for task in groups.get(name, (name,))}
    return [task for task in suite.tasks if task in chosen]


def _numbered(prompts: Iterable[Prompt]) -> Iterator[Prompt]:
    """The published files hold some questions twice, two of them with both answers: each is asked and scored on its own."""
    seen: Counter[str] = Counter()
    for prompt in prompts:
        yield replace(prompt, sample=seen[prompt.id])
        seen[prompt.id] += 1


def _component(suite: Suite) -> Component[Any, Evaluator]:
    """The evaluator of a suite: its config knows the suite's tasks and usual settings."""

    def known(cls: type, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("name at least one task")
        known_names = ("all", *suite.groups, *suite.tasks)
        for name in names:
            if name not in known_names:
                raise ValueError(f"no task '{name}'{did_you_mean(name, known_names)}")
        return names

    usual: dict[str, Any] = {"dataset": suite.dataset, "tasks": suite.usual, "scored": suite.scored}
    fields: dict[str, Any] = {name: _field_with_default(name, value) for name, value in usual.items()}
    config = create_model(
        f"{suite.name.capitalize()}Config",
        __base__=BenchmarkConfig,
        __doc__=suite.summary,
        __module__=__name__,
        __validators__={"tasks_are_known": field_validator("tasks")(known)},
        **fields,
    )

    def build(config: BenchmarkConfig, context: Context) -> Evaluator:
        return BenchmarkEvaluator(suite, config)

    return Component(suite.name, config, build)


def _field_with_default(name: str, value: Any) -> tuple[Any, Any]:
    info = BenchmarkConfig.model_fields[name]
    return info.annotation, Field(value, description=info.description)


EVALUATORS: Final = tuple(map(_component, SUITES))
