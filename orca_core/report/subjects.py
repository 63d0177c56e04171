"""The sections of ``report.json`` that hold subjects of one run against each other: paired differences, and disagreement."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

MCNEMAR: Final = "McNemar"
SIGN_FLIP: Final = "sign flip"


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Paired(_Section):
    """How far a subject stands above another on the same items, in one task or on the average over tasks."""

    evaluator: str
    metric: str = "accuracy"
    task: str
    subject: str
    against: str
    estimate: float | None = None
    ci95: tuple[float | None, float | None] | None = None
    """Paired bootstrap, clusters resampled within tasks."""
    test: str = ""
    """:data:`MCNEMAR` (exact), or :data:`SIGN_FLIP`, which is the same for averages, fractions and clusters."""
    p: float | None = None
    p_holm: float | None = None
    """After Holm's correction over all the comparisons of the evaluator in this metric, as they are shown together."""
    detectable: float | None = None
    """The minimum detectable effect: a difference under it is noise with so many items."""
    n: int | None = None
    wins: int | None = None
    losses: int | None = None

    @property
    def told(self) -> int:
        """1 or -1 where the corrected test tells the two apart, else 0."""
        if self.p_holm is None or self.p_holm >= 0.05 or not self.estimate:
            return 0
        return 1 if self.estimate > 0 else -1


class Contingency(_Section):
    """Of how many items who was right."""

    both: int = 0
    only_student: int = 0
    only_teacher: int = 0
    neither: int = 0
    same_wrong: int = 0
    """Of ``neither``: both read as one and the same wrong answer."""

    @property
    def n(self) -> int:
        return self.both + self.only_student + self.only_teacher + self.neither


KINDS: Final = {
    "only_teacher": "only the teacher is right",
    "only_student": "only the student is right",
    "same_wrong": "both wrong, with the same answer",
    "neither": "both wrong, each in its way",
}
"""The kinds of cases that are worth a look, and what to call them."""


class Case(_Section):
    """One item, as both answered it."""

    kind: str
    task: str = ""
    tags: list[str] = []
    system: str = ""
    query: str = ""
    target: str | None = None
    student: str = ""
    teacher: str = ""
    teacher_system: str | None = None
    """The system message that the teacher was asked with, where it is another than the student's."""


class Disagreement(_Section):
    """The student against a teacher against the target, in one evaluator's metric."""

    evaluator: str
    metric: str = "accuracy"
    student: str
    teacher: str
    all: Contingency
    tasks: dict[str, Contingency] = {}
    tags: dict[str, Contingency] = {}
    """By what the queries' ``meta`` says of them: ``template=zero-shot``, or an entry of ``tags``."""
    cases: list[Case] = []
    """A few of each of :data:`KINDS`."""
