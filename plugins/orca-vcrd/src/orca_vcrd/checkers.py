"""How valid a step is: one protocol, and the checkers that need no teacher. Those that ask one are in :mod:`orca_vcrd.asked`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import nan
from statistics import fmean
from typing import NamedTuple, Protocol

from orca_core.protocols import Verifier
from orca_core.records import Trace
from orca_vcrd.places import Case, Place
from orca_vcrd.policy import Policy

Verdict = Callable[[Trace, str], bool | None]
"""Whether a text, as the answer to a trace's prompt, reaches the target; None: there is none."""


class Validity(NamedTuple):
    """How valid two steps behind one prefix are, in [0, 1]; NaN: nobody could tell."""

    teacher: float
    student: float


class Checker(Protocol):
    """Tells how valid steps are."""

    def check(self, places: Sequence[Place]) -> list[Validity]:
        """Of each place; the same step behind the same prefix is as valid for the student as for the teacher.

        Raises:
            UserError: somebody who is asked cannot do what is needed.
        """
        ...


def case_by_case(places: Sequence[Place], judge: Callable[[Sequence[Case]], Iterable[float]]) -> list[Validity]:
    """The validities of places by those of single steps, each judged once."""
    cases = list(dict.fromkeys(case for place in places for case in place if case is not None))
    known = dict(zip(cases, judge(cases), strict=True))
    return [Validity(known[p.teacher], nan if p.student is None else known[p.student]) for p in places]


class Symbolic:
    """Exact, by a verifier that judges an answer up to its last step. To end instead of going on is no valid step.

    Args:
        verifier: of steps.
        examples: the teacher's traces, by the number of the answer.
    """

    def __init__(self, verifier: Verifier, examples: Sequence[Trace]) -> None:
        self.verifier, self.examples = verifier, examples

    def check(self, places: Sequence[Place]) -> list[Validity]:
        return case_by_case(places, lambda cases: map(self._valid, cases))

    def _valid(self, case: Case) -> float:
        if not case.step.text.strip():
            return 0.0
        verdict = self.verifier.verify(self.examples[case.answer].prompt.query, case.before + case.step.text)
        return nan if verdict is None else float(verdict)


class Outcome:
    """By where a step leads: the share of the student's continuations that reach the target (Math-Shepherd's soft label).

    A step with which the answer ends is judged by that answer alone. NaN where there is no target, or no room to go on.

    Args:
        policy: goes on from steps.
        verdict: on whole answers.
        examples: the teacher's traces, by the number of the answer.
        count: continuations of a step.
        temperature: they are drawn at; 0: the likeliest tokens.
        seeds: of a case.
        trust: whether the teacher's answer itself is a continuation of its steps: where it is right, all of them are valid.
    """

    def __init__(
        self,
        policy: Policy,
        verdict: Verdict,
        examples: Sequence[Trace],
        *,
        count: int,
        temperature: float,
        seeds: Callable[[Case], Sequence[int]],
        trust: bool,
    ) -> None:
        self.policy, self.verdict, self.examples = policy, verdict, examples
        self.count, self.temperature, self.seeds, self.trust = count, temperature, seeds, trust

    def check(self, places: Sequence[Place]) -> list[Validity]:
        own = {place.teacher for place in places} if self.trust else set[Case]()
        return case_by_case(places, lambda cases: self._judged(cases, own))

    def _judged(self, cases: Sequence[Case], own: set[Case]) -> list[float]:
        known: dict[Case, float] = {}
        for case in cases:
            trace = self.examples[case.answer]
            if case in own and self.verdict(trace, trace.text):
                known[case] = 1.0
            elif case.step.ended:
                known[case] = self._share(case, [case.before + case.step.text])
        open_ = [case for case in cases if case not in known]
        seeds = [self.seeds(case) for case in open_]
        texts = self.policy.finished(open_, seeds, count=self.count, temperature=self.temperature)
        known |= {case: self._share(case, written) for case, written in zip(open_, texts, strict=True)}
        return [known[case] for case in cases]

    def _share(self, case: Case, texts: Sequence[str]) -> float:
        verdicts = [self.verdict(self.examples[case.answer], text) for text in texts]
        return nan if not verdicts or None in verdicts else fmean(map(bool, verdicts))
