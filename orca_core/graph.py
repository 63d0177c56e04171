"""The stage graph of a run: sample, ask, select, fit, answer, score, each keyed by content before anything is done.

A :class:`Stage` knows its key, its inputs and its work; :func:`build` lays the graph out from a checked config. What the
stages do is in :mod:`orca_core.work`; doing and planning them is in :mod:`orca_core.pipeline`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orca_core import work
from orca_core.component import Context
from orca_core.config import Phase, RunConfig
from orca_core.parts import Part
from orca_core.store import Slot, key_of

Work = Callable[[Slot, "dict[str, Slot]", Context], Mapping[str, Any]]


@dataclass(frozen=True)
class Stage:
    """One node of the graph. ``do(slot, inputs, context)`` makes the result and returns the facts for ``done.json``."""

    kind: str
    name: str
    """For people and reports: ``ask/assistant``, ``answer/student/reasoning``."""
    key: str
    inputs: Mapping[str, Stage]
    do: Work = field(compare=False)
    unit: str = "prompts"


@dataclass(frozen=True)
class Graph:
    """All stages in an order in which they can be done, and where a report finds its parts."""

    stages: tuple[Stage, ...]
    phases: Mapping[str, Mapping[str, Stage]]
    """phase -> kind -> stage"""
    scores: Mapping[tuple[str, str], Stage]
    """(subject, evaluator) -> score stage"""

    def only(self, *kinds: str) -> Graph:
        """The phases' stages of these kinds, with all that they need."""
        phases = {name: {k: stage for k, stage in of.items() if k in kinds} for name, of in self.phases.items()}
        needed: dict[str, Stage] = {}

        def need(stage: Stage) -> None:
            needed[stage.key] = stage
            for inner in stage.inputs.values():
                need(inner)

        for stages in phases.values():
            for stage in stages.values():
                need(stage)
        return Graph(tuple(stage for stage in self.stages if stage.key in needed), phases, {})


def build(run: RunConfig) -> Graph:
    """Lay out the graph of a run."""
    maker = _Maker(run)
    phases: dict[str, dict[str, Stage]] = {}
    last_fit: Stage | None = None
    for phase in run.phases:
        phases[phase.name] = maker.phase(phase, last_fit)
        last_fit = phases[phase.name]["fit"]
    scores: dict[tuple[str, str], Stage] = {}
    for name, evaluator in run.evaluators.items():
        questions = maker.questions(name, evaluator)
        for subject in run.subjects:
            answers = maker.answers(phases, subject, name, questions)
            scores[subject, name] = maker.scores(subject, name, evaluator, answers)
    return Graph(tuple(maker.stages.values()), phases, scores)


class _Maker:
    """Makes stages, each key once: two phases may share their prompts, two subjects their questions."""

    def __init__(self, run: RunConfig) -> None:
        self.run = run
        self.stages: dict[tuple[str, str], Stage] = {}

    def stage(
        self,
        kind: str,
        name: str,
        identity: Mapping[str, Any],
        do: Work,
        inputs: Mapping[str, Stage],
        unit: str = "prompts",
    ) -> Stage:
        keys = {role: stage.key for role, stage in inputs.items()}
        key = key_of({"stage": kind, "seed": self.run.seed, "inputs": keys, **identity})
        return self.stages.setdefault((kind, key), Stage(kind, name, key, inputs, do, unit))

    def phase(self, phase: Phase, last_fit: Stage | None) -> dict[str, Stage]:
        name = phase.name
        sample, prompts = self.prompts(phase)
        ask = self.asked(phase, prompts, last_fit)
        chain = {key: part.identity() for key, part in phase.selectors.items()}
        select = self.stage(
            "select", f"select/{name}", {"parts": list(chain.values())}, work.Select(phase.selectors), {"traces": ask}
        )
        init = {} if last_fit is None else {"init": last_fit}
        fit = self.fit(f"fit/{name}", phase.student, phase.epochs, select, init)
        screened = {} if prompts is sample else {"screen": prompts}
        return {"sample": sample, **screened, "ask": ask, "select": select, "fit": fit}

    def asked(self, phase: Phase, prompts: Stage, last_fit: Stage | None) -> Stage:
        """The answers that a phase trains on: its teacher's, or the student's own."""
        executor, samples = self.run.executor, phase.samples
        inputs = {"prompts": prompts}
        if phase.teacher is None:
            assert last_fit is not None, phase.name  # the config makes sure that there is a phase before
            part, inputs["checkpoint"] = phase.student, last_fit
            do: Work = work.Answer(phase.student, executor, samples)
        else:
            part, do = phase.teacher, work.Ask(phase.teacher, executor, samples, self.run.dead_letters)
        return self.stage("ask", f"ask/{phase.name}", {"part": part.identity(), "samples": samples}, do, inputs)

    def prompts(self, phase: Phase) -> tuple[Stage, Stage]:
        """What a phase draws, and what of it is asked."""
        sampler, screens = phase.sampler, self.run.screens
        sample = self.stage("sample", f"sample/{phase.name}", {"part": sampler.identity()}, work.Sample(sampler), {})
        if not screens:
            return sample, sample
        evaluators = self.run.evaluators.items()
        questions = {f"{work.QUESTIONS}{name}": self.questions(name, evaluator) for name, evaluator in evaluators}
        chain = [part.identity() for part in screens.values()]
        do = work.Screened(screens)
        return sample, self.stage(
            "screen", f"screen/{phase.name}", {"parts": chain}, do, {"prompts": sample, **questions}
        )

    def fit(self, name: str, student: Part, epochs: int, examples: Stage, init: Mapping[str, Stage]) -> Stage:
        identity = {"part": student.identity(), "epochs": epochs}
        return self.stage(
            "fit", name, identity, work.Fit(student, epochs), {"examples": examples, **init}, unit="steps"
        )

    def questions(self, name: str, evaluator: Part) -> Stage:
        identity = {"part": evaluator.identity(scoring=False)}
        return self.stage("sample", f"sample/{name}", identity, work.Questions(evaluator), {})

    def answers(self, phases: Mapping[str, Mapping[str, Stage]], subject: str, name: str, questions: Stage) -> Stage:
        """The subject's answers: the fitted student's, the untrained one's (``base``), or those of a phase's teacher.

        That of a phase in which the student teaches itself is the student before it.
        """
        title = f"answer/{subject}/{name}"
        teachers = {phase.name: phase.teacher for phase in self.run.phases}
        if teacher := teachers.get(subject):
            do = work.Ask(teacher, self.run.executor, dead_letters=self.run.dead_letters)
            return self.stage("answer", title, {"part": teacher.identity()}, do, {"prompts": questions})
        if subject == "base":
            checkpoint = self.fit("fit/base", self.run.student, 0, phases[self.run.phases[0].name]["select"], {})
        elif subject in teachers:
            checkpoint = phases[subject]["fit"].inputs["init"]
        else:
            checkpoint = phases[self.run.phases[-1].name]["fit"]
        identity = {"part": self.run.student.identity()}
        answer = work.Answer(self.run.student, self.run.executor)
        return self.stage("answer", title, identity, answer, {"prompts": questions, "checkpoint": checkpoint})

    def scores(self, subject: str, name: str, evaluator: Part, answers: Stage) -> Stage:
        return self.stage(
            "score",
            f"score/{subject}/{name}",
            {"part": evaluator.identity()},
            work.Grade(evaluator),
            {"traces": answers},
        )
