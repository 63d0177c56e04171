"""Checkers that ask a teacher: for a mark, or how likely it finds a step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import exp, nan
from typing import Final

from orca_core.errors import UserError
from orca_core.protocols import Responder
from orca_core.records import DEAD, Prompt, Query, Trace
from orca_vcrd.checkers import Validity, case_by_case
from orca_vcrd.places import Case, Place

BEST: Final = 10
MARK: Final = re.compile(r"\bscore[\s:=*_]*(-?\d+(?:\.\d+)?)", re.IGNORECASE)
ASKED: Final = """A question is being answered step by step. Judge the next step alone, not the steps before it.

Question:
{question}

The answer so far:
{before}

The next step:
{step}

Does this step follow correctly from what is there, and does it lead on to the answer? Reply with one line, from 0 (wrong) to \
{best} (correct):
Score: N"""


class JudgeChecker:
    """A teacher's mark. One that cannot be read is asked for once more; then nobody can tell.

    Each step is asked about once in a training, however often it comes.

    Args:
        teacher: who marks.
        examples: the teacher's traces, by the number of the answer.
    """

    def __init__(self, teacher: Responder, examples: Sequence[Trace]) -> None:
        self.teacher, self.examples = teacher, examples
        self.marks: dict[str, float] = {}

    def check(self, places: Sequence[Place]) -> list[Validity]:
        return case_by_case(places, self._judged)

    def _judged(self, cases: Sequence[Case]) -> Iterable[float]:
        prompts = [self._prompt(case) for case in cases]
        for again in (0, 1):
            wanted = {p.query.id: replace(p, sample=again) for p in prompts if p.query.id not in self.marks}
            for trace in self.teacher.respond(iter(wanted.values())) if wanted else ():
                if (mark := read_mark(trace)) is not None:
                    self.marks[trace.prompt.query.id] = mark
        return (self.marks.get(prompt.query.id, nan) for prompt in prompts)

    def _prompt(self, case: Case) -> Prompt:
        query = self.examples[case.answer].prompt.query
        step = case.step.text.strip() or "(the answer ends here)"
        text = ASKED.format(question=query.text, before=case.before.strip() or "(nothing yet)", step=step, best=BEST)
        return Prompt(Query(text, "step-validity"))


def read_mark(trace: Trace) -> float | None:
    """The last mark that a reply gives, in [0, 1]; None: it gives none, or one that cannot be."""
    found = [] if trace.finish_reason == DEAD else MARK.findall(trace.text)
    mark = float(found[-1]) if found else -1.0
    return mark / BEST if 0 <= mark <= BEST else None


class LikelihoodChecker:
    """Without a verifier: the teacher's step is valid, the student's as far as the teacher finds it as likely as its own.

    ``vT = 1, vS = min(1, exp(mean log p(student's step) - mean log p(teacher's step)))``, means over tokens, as the student counts
    them. A student who ends instead of going on has no step: 0.

    Args:
        teacher: tells log-likelihoods of continuations (``Prompt.choices``), as local models do.
        examples: the teacher's traces, by the number of the answer.
    """

    def __init__(self, teacher: Responder, examples: Sequence[Trace]) -> None:
        self.teacher, self.examples = teacher, examples

    def check(self, places: Sequence[Place]) -> list[Validity]:
        pairs = {p: self._prompt(p, p.student) for p in dict.fromkeys(places) if p.student not in (None, p.teacher)}
        prompts = {prompt.id: prompt for prompt in pairs.values() if prompt is not None}
        told = {trace.prompt.id: self._logprobs(trace) for trace in self.teacher.respond(iter(prompts.values()))}
        return [Validity(1.0, self._student(place, pairs.get(place), told)) for place in places]

    def _prompt(self, place: Place, student: Case | None) -> Prompt | None:
        """What the teacher is asked: the answer so far, if there is any, and the same with either step."""
        if student is None or not student.step.tokens:
            return None
        asked, before = self.examples[place.teacher.answer].prompt, place.teacher.before
        steps = (before + place.teacher.step.text, before + student.step.text)
        return Prompt(asked.query, asked.system, choices=(*steps, before) if before else steps)

    def _student(self, place: Place, prompt: Prompt | None, told: dict[str, tuple[float, ...]]) -> float:
        if place.student is None:
            return nan
        if place.student == place.teacher:
            return 1.0
        if prompt is None:
            return 0.0
        of_teacher, of_student, *before = told[prompt.id]
        start = before[0] if before else 0.0
        own = (of_student - start) / len(place.student.step.tokens)
        return min(1.0, exp(min(0.0, own - (of_teacher - start) / len(place.teacher.step.tokens))))

    def _logprobs(self, trace: Trace) -> tuple[float, ...]:
        if trace.choice_logprobs is None:
            raise UserError(
                f"student.teacher: {trace.model} does not tell how likely it finds a step, which student.validity=likelihood needs; "
                "choose a local model (teacher.name=transformers), or student.validity=judge"
            )
        return trace.choice_logprobs
