"""Saying beforehand what a run will take: which stages are done, and what the rest will ask, cost and last.

Prompts are drawn in streams, so that five million of them need no more memory than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn

from orca_core.component import Context
from orca_core.config import RunConfig
from orca_core.graph import Graph, Stage
from orca_core.progress import stage_progress
from orca_core.protocols import AsksToScore, Estimate, Estimates, EstimatesFit, FitEstimate
from orca_core.records import Prompt
from orca_core.store import Store
from orca_core.tables import read_prompts, read_traces
from orca_core.work import Answer, Ask, Fit, Grade, Questions, Sample, Screened

REPORT_EVERY = 1000
"""Prompts between two reports of progress."""


@dataclass(frozen=True)
class PlannedStage:
    """One line of ``orca plan``: ``estimate`` is None for what is done, and for what asks nobody."""

    stage: Stage
    done: bool
    estimate: Estimate | None = None
    note: str = ""
    fit: FitEstimate | None = None


def plan(graph: Graph, run: RunConfig, store: Store) -> list[PlannedStage]:
    """What is done already and what the rest will take. Draws prompts to count them; asks nobody, writes no stage."""
    planner = _Planner(run, store)
    to_do = {stage.key: stage for stage in graph.stages if not planner.done(stage)}
    # Who is asked comes first: a teacher that counts its prompts leaves their number for the other stages.
    estimates = {key: planner.estimate(stage, stage.do) for key, stage in to_do.items() if isinstance(stage.do, Ask)}
    scoring = {key: planner.scoring(stage, stage.do) for key, stage in to_do.items() if isinstance(stage.do, Grade)}
    asking = estimates | scoring
    return [
        PlannedStage(stage, False, asking.get(stage.key), planner.note(stage), planner.fit(stage, estimates))
        if stage.key in to_do
        else PlannedStage(stage, True)
        for stage in graph.stages
    ]


class _Planner:
    def __init__(self, run: RunConfig, store: Store) -> None:
        self.run, self.store = run, store
        self.counts: dict[str, int] = {}

    def done(self, stage: Stage) -> bool:
        return self.store.slot(stage.kind, stage.key).done is not None

    def estimate(self, stage: Stage, ask: Ask) -> Estimate:
        """What the teacher expects of the stage's prompts, each as often as it is asked."""
        source = stage.inputs["prompts"]
        teacher = ask.teacher.build(self.context())
        if not isinstance(teacher, Estimates):
            return Estimate(self.count(source) * ask.samples)
        return teacher.estimate(chain.from_iterable(prompt.samples(ask.samples) for prompt in self.counted(source)))

    def scoring(self, stage: Stage, grade: Grade) -> Estimate | None:
        """What an evaluator whose scoring asks somebody expects of it, from the answers where they are there already."""
        evaluator = grade.evaluator.build(self.context())
        if not isinstance(evaluator, AsksToScore):
            return None
        answers = stage.inputs["traces"]
        slot = self.store.slot(answers.kind, answers.key)
        there = slot.done is not None
        return evaluator.estimate_scoring(
            read_traces(slot.files("traces-*.parquet")) if there else self.counted(answers.inputs["prompts"])
        )

    def note(self, stage: Stage) -> str:
        """What is known of a stage that asks nobody."""
        if isinstance(stage.do, (Sample, Questions)):
            return f"{self.count(stage):,} prompts"
        if isinstance(stage.do, Screened):
            return f"at most {self.count(stage):,} prompts"
        if isinstance(stage.do, Fit):
            examples = self.examples(stage)
            epochs = "1 epoch" if stage.do.epochs == 1 else f"{stage.do.epochs} epochs"
            return f"{epochs} over at most {examples:,} examples"
        return ""

    def examples(self, stage: Stage) -> int:
        """How many examples a fit gets at most."""
        ask = stage.inputs["examples"].inputs["traces"]
        return self.count(ask.inputs["prompts"]) * (ask.do.samples if isinstance(ask.do, (Answer, Ask)) else 1)

    def fit(self, stage: Stage, estimates: Mapping[str, Estimate]) -> FitEstimate | None:
        """What the student expects of a fit, from the tokens of the answers or those that the teacher expects."""
        if not isinstance(stage.do, Fit) or not stage.do.epochs:
            return None
        student = stage.do.student.build(self.context())
        if not isinstance(student, EstimatesFit):
            return None
        ask = stage.inputs["examples"].inputs["traces"]
        facts = self.store.slot(ask.kind, ask.key).done
        estimate = estimates.get(ask.key)
        tokens = None
        if facts is not None and facts.get("completion_tokens"):
            tokens = int(facts["prompt_tokens"] + facts["completion_tokens"])
        elif estimate is not None and estimate.prompt_tokens and estimate.completion_tokens:
            tokens = estimate.prompt_tokens + estimate.completion_tokens
        return student.estimate_fit(self.examples(stage), tokens, stage.do.epochs)

    def count(self, source: Stage) -> int:
        """How many prompts a stage holds or will draw."""
        if source.key not in self.counts:
            facts = self.store.slot(source.kind, source.key).done
            if facts is not None and "prompts" in facts:
                self.counts[source.key] = int(facts["prompts"])
            else:
                for _ in self.counted(source):
                    pass
        return self.counts[source.key]

    def counted(self, source: Stage) -> Iterator[Prompt]:
        """The prompts of a stage; whoever reads to the end leaves their number behind."""
        number = 0
        with stage_progress(f"counting {source.name}", "prompts") as report:
            for number, prompt in enumerate(self.prompts(source), 1):
                yield prompt
                if number % REPORT_EVERY == 0:
                    report(number)
        self.counts[source.key] = number

    def prompts(self, source: Stage) -> Iterable[Prompt]:
        slot = self.store.slot(source.kind, source.key)
        if slot.done is not None:
            return read_prompts(slot.files("prompts-*.parquet"))
        if isinstance(source.do, Screened):
            return self.prompts(source.inputs["prompts"])  # at most these
        if isinstance(source.do, Sample):
            return source.do.sampler.build(self.context()).sample()  # type: ignore[no-any-return]
        assert isinstance(source.do, Questions), source.name
        return source.do.evaluator.build(self.context()).prompts()  # type: ignore[no-any-return]

    def context(self) -> Context:
        return Context(self.run.seed, self.store.cache, _no_parts)


def _no_parts(kind: str, node: Any) -> NoReturn:
    raise NotImplementedError("Part.build gives every component a context that can make others")
