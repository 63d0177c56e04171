"""Makes the checker that the config names, in the training process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orca_lightning.job import Job
from orca_lightning.queries import judge

from orca_core.component import Context
from orca_core.parts import resolve
from orca_core.plugins import load
from orca_core.records import FINISHED, Trace
from orca_core.workers import no_parts
from orca_vcrd.asked import JudgeChecker, LikelihoodChecker
from orca_vcrd.checkers import Checker, Outcome, Symbolic
from orca_vcrd.config import VcrdConfig
from orca_vcrd.places import Case
from orca_vcrd.policy import Policy
from orca_vcrd.student import CACHE


def checker_of(config: VcrdConfig, job: Job, policy: Policy, examples: Sequence[Trace]) -> Checker:
    """The checker of ``config.validity``.

    Args:
        config: names it, and whom it asks.
        job: says where the student's cache is.
        policy: the student that is trained.
        examples: the teacher's traces, by the number of the answer.

    Raises:
        UserError: no plugin offers whom it asks.
    """
    plugins, context = load(), Context(seed=job.seed, cache=job.own / CACHE, make=no_parts)
    if config.validity == "symbolic":
        return Symbolic(resolve(plugins, "verifier", config.verifier, "student.verifier").build(context), examples)
    if config.validity in ("judge", "likelihood"):
        teacher = resolve(plugins, "teacher", config.teacher, "student.teacher").build(context)
        return (JudgeChecker if config.validity == "judge" else LikelihoodChecker)(teacher, examples)
    verify = judge(job)

    def verdict(trace: Trace, text: str) -> bool | None:
        return verify(replace(trace, text=text, finish_reason=FINISHED, correct=None)).correct

    def seeds(case: Case) -> list[int]:
        return [job.seed, case.answer, *case.prefix, *case.step.tokens]

    greedy = config.validity == "answer"
    return Outcome(
        policy,
        verdict,
        examples,
        count=1 if greedy else config.continuations,
        temperature=0.0 if greedy else config.continuation_temperature,
        seeds=seeds,
        trust=greedy,
    )
