"""Where the student and a teacher part: who is right on which items, by task and tag, with cases to look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from orca_core.records import Prompt, Query, Score, Trace
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


@dataclass(frozen=True)
class _Item:
    """A question of a task, with the prompts under which the two were asked it, and who is right."""

    task: str
    mine: str
    theirs: str
    kind: str


def disagreement(
    evaluator: str,
    subjects: tuple[str, str],
    scores: tuple[Sequence[Score], Sequence[Score]],
    prompts: Mapping[str, Prompt],
    traces: tuple[Iterable[Trace], Iterable[Trace]],
) -> list[Disagreement]:
    """One entry per metric whose items lie in [0, 1]; cases of the first one alone. An item is right from one half on.

    Args:
        evaluator: who asked.
        subjects: the names of student and teacher.
        scores: of the two.
        prompts: what the evaluator asked, by id.
        traces: of the two.
    """
    bare = {key: replace(prompt, system="").id for key, prompt in prompts.items()}
    metrics = dict.fromkeys(score.metric for score in scores[0])
    items = {metric: found for metric in metrics if (found := _items(metric, scores, bare))}
    wanted = {key for found in items.values() for i in found if i.kind != "both" for key in (i.mine, i.theirs)}
    mine, theirs = ({t.prompt.id: t for t in side if t.prompt.id in wanted} for side in traces)
    tables = {metric: _Table(cases=CASES if not index else 0) for index, metric in enumerate(items)}
    for metric, table in tables.items():
        for item in items[metric]:
            table.add(item, prompts[item.mine].query, mine.get(item.mine), theirs.get(item.theirs))
    return [table.section(evaluator, metric, *subjects) for metric, table in tables.items()]


def _items(metric: str, scores: tuple[Sequence[Score], Sequence[Score]], bare: Mapping[str, str]) -> list[_Item]:
    """The items that both have, joined by task and prompt, whatever its system message."""
    mine, theirs = (
        {
            (score.task, bare[key]): (key, value)
            for score in side
            if score.metric == metric
            for key, value in score.items.items()
            if key in bare
        }
        for side in scores
    )
    if not all(0 <= value <= 1 for side in (mine, theirs) for _, value in side.values()):
        return []
    return [
        _Item(at[0], key, theirs[at][0], _kind(value, theirs[at][1]))
        for at, (key, value) in mine.items()
        if at in theirs
    ]


class _Table:
    """The counts of one metric."""

    def __init__(self, cases: int) -> None:
        self._all: Counter[str] = Counter()
        self._tasks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._tags: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self._cases = {kind: Reservoir[tuple[str, Trace, Trace]](cases) for kind in KINDS}

    def add(self, item: _Item, query: Query, mine: Trace | None, theirs: Trace | None) -> None:
        counted = [item.kind]
        if mine and theirs and item.kind != "both":
            if item.kind == "neither" and (answer := stated_answer(mine)) and answer == stated_answer(theirs):
                counted.append("same_wrong")
            self._cases[counted[-1]].add((item.task, mine, theirs))
        for counter in (self._all, self._tasks[item.task], *(self._tags[key][tag] for key, tag in _tags(query))):
            counter.update(counted)

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
        teacher_system=None if theirs.prompt.system == prompt.system else theirs.prompt.system[:TEXT_LIMIT],
    )
