"""Where the student and a teacher part: who is right on which items, by task and tag, with cases to look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from orca_core.records import Query, Score, Trace
from orca_core.report.subjects import KINDS, Case, Contingency, Disagreement
from orca_core.stats import Reservoir
from orca_core.verify import stated_answer

CASES: Final = 3
"""Of each kind."""
TEXT_LIMIT: Final = 2_000
"""A case is looked at; the store keeps the whole."""
MOST_VALUES: Final = 20
"""A key of ``meta`` with more values than that is no tag but an id; of ``tags``, so many of the most frequent are shown."""
LONGEST: Final = 60
"""Characters of a tag; what is longer is text."""
TAGS: Final = "tags"
_NO_TAGS: Final = {"cluster", "verifier"}

Values = Mapping[str, tuple[str, float, float]]
"""prompt id -> (task, the student's value, the teacher's)"""


def disagreement(
    evaluator: str,
    subjects: tuple[str, str],
    scores: tuple[Sequence[Score], Sequence[Score]],
    traces: tuple[Iterable[Trace], Iterable[Trace]],
) -> list[Disagreement]:
    """One entry per metric whose items lie in [0, 1]; cases of the first one alone.

    Args:
        evaluator: who asked.
        subjects: the names of student and teacher.
        scores: of the two.
        traces: of the two, to the same prompts in the same order, as answers are stored.
    """
    metrics = dict.fromkeys(score.metric for score in scores[0])
    values = {metric: found for metric in metrics if (found := _values(metric, *scores))}
    tables = {metric: _Table(cases=CASES if not index else 0) for index, metric in enumerate(values)}
    for student, teacher in zip(*traces, strict=True) if tables else ():
        for metric, table in tables.items():
            if (item := values[metric].get(student.prompt.id)) is not None:
                table.add(*item, student, teacher)
    return [table.section(evaluator, metric, *subjects) for metric, table in tables.items()]


def _values(metric: str, students: Sequence[Score], teachers: Sequence[Score]) -> Values:
    other = {score.task: score.items for score in teachers if score.metric == metric}
    values = {
        prompt: (score.task, value, other[score.task][prompt])
        for score in students
        if score.metric == metric and score.task in other
        for prompt, value in score.items.items()
        if prompt in other[score.task]
    }
    return values if all(0 <= value <= 1 for _, *pair in values.values() for value in pair) else {}


class _Table:
    """The counts of one metric as answers come by; an item counts as right from one half on."""

    def __init__(self, cases: int) -> None:
        self._all: Counter[str] = Counter()
        self._tasks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tags: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self._cases = {kind: Reservoir[tuple[str, Trace, Trace]](cases) for kind in KINDS}

    def add(self, task: str, student: float, teacher: float, mine: Trace, theirs: Trace) -> None:
        kind = _kind(student, teacher)
        counted = [kind]
        if kind == "neither" and (answer := stated_answer(mine)) is not None and answer == stated_answer(theirs):
            counted.append("same_wrong")
        tagged = [self._tags[key][tag] for key, tag in _tags(mine.prompt.query)]
        for counter in (self._all, self._tasks[task], *tagged):
            counter.update(counted)
        if counted[-1] in self._cases:
            self._cases[counted[-1]].add((task, mine, theirs))

    def section(self, evaluator: str, metric: str, student: str, teacher: str) -> Disagreement:
        shown = [pair for key, counts in self._tags.items() for pair in _shown(key, counts)]
        return Disagreement(
            evaluator=evaluator,
            metric=metric,
            student=student,
            teacher=teacher,
            all=Contingency(**self._all),
            tasks={task: Contingency(**counts) for task, counts in self._tasks.items()},
            tags={tag: Contingency(**counts) for tag, counts in shown},
            cases=[_case(kind, *drawn) for kind, sample in self._cases.items() for drawn in sample.items],
        )


def _kind(student: float, teacher: float) -> str:
    if student >= 0.5:
        return "both" if teacher >= 0.5 else "only_student"
    return "only_teacher" if teacher >= 0.5 else "neither"


def _tags(query: Query) -> Iterator[tuple[str, str]]:
    """(key, tag) of all that ``meta`` says in a word."""
    for key, value in query.meta.items():
        if key == TAGS and isinstance(value, (list, tuple)):
            yield from ((key, str(tag)) for tag in dict.fromkeys(value))
        elif key not in _NO_TAGS and isinstance(value, (str, int)) and len(str(value)) <= LONGEST:
            yield key, f"{key}={value}"


def _shown(key: str, counts: Mapping[str, Counter[str]]) -> list[tuple[str, Counter[str]]]:
    """The tags of a key that tell items apart, as they sort; none of a key that has one value, or one for every item."""
    if len(counts) < 2 or (len(counts) > MOST_VALUES and key != TAGS):
        return []
    frequent = sorted(counts.items(), key=lambda pair: -sum(pair[1].values()))[:MOST_VALUES]
    return sorted(frequent, key=lambda pair: (len(pair[0]), pair[0]))


def _case(kind: str, task: str, mine: Trace, theirs: Trace) -> Case:
    prompt = mine.prompt
    return Case(
        kind=kind,
        task=task,
        tags=[tag for _, tag in _tags(prompt.query)],
        system=prompt.system[:TEXT_LIMIT],
        query=prompt.query.text[:TEXT_LIMIT],
        target=prompt.query.target,
        student=mine.text[:TEXT_LIMIT],
        teacher=theirs.text[:TEXT_LIMIT],
    )
