"""The student of a run against its other subjects, on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from orca_core.records import Prompt, Score
from orca_core.report.model import STUDENT
from orca_core.report.subjects import MCNEMAR, SIGN_FLIP, Paired
from orca_core.report.views import subject_order
from orca_core.stats import AVERAGE, holm, mcnemar, paired_difference

Items = Mapping[str, float]


def by_query(values: Items, prompts: Mapping[str, Prompt]) -> dict[str, float]:
    """Item values by prompt id as mean values by query id; what an evaluator keyed otherwise keeps its key.

    By query, as subjects and variants may be asked the same question with different system messages, or several times.
    """
    grouped: dict[str, list[float]] = {}
    for key, value in values.items():
        grouped.setdefault(prompts[key].query.id if key in prompts else key, []).append(value)
    return {query: fmean(several) for query, several in grouped.items()}


def compare_subjects(
    evaluator: str, scores: Mapping[str, Sequence[Score]], prompts: Mapping[str, Prompt]
) -> list[Paired]:
    """The main subject (the student, if it was scored) against each of the others: per task, then on the average.

    Scores whose items do not lie in [0, 1], and such without items, are left out.

    Args:
        evaluator: whose scores these are.
        scores: by subject.
        prompts: what the evaluator asked, by id.
    """
    subjects = subject_order(scores)
    if len(subjects) < 2:
        return []
    main = STUDENT if STUDENT in subjects else subjects[0]
    clusters = {prompt.query.id: prompt.query.cluster for prompt in prompts.values()}
    rows: list[Paired] = []
    for metric in dict.fromkeys(score.metric for score in scores[main]):
        items = {subject: _items(scores[subject], metric, prompts) for subject in subjects}
        pairs = [(main, other) for other in subjects if other != main]
        rows += _corrected([row for a, b in pairs for row in _rows(evaluator, metric, (a, b), items, clusters)])
    return rows


def _items(scores: Sequence[Score], metric: str, prompts: Mapping[str, Prompt]) -> dict[str, Items]:
    """Item values by task and query."""
    of_metric = [score for score in scores if score.metric == metric and score.items]
    shares = [score for score in of_metric if all(0 <= value <= 1 for value in score.items.values())]
    return {score.task: by_query(score.items, prompts) for score in shares}


def _rows(
    evaluator: str,
    metric: str,
    pair: tuple[str, str],
    items: Mapping[str, Mapping[str, Items]],
    clusters: Mapping[str, str],
) -> list[Paired]:
    a, b = items[pair[0]], items[pair[1]]
    tasks = [task for task in a if task in b and a[task].keys() & b[task].keys()]
    groups = {task: [task] for task in tasks} | ({AVERAGE: tasks} if len(tasks) > 1 else {})
    rows = []
    for name, members in groups.items():
        found = paired_difference({"": {t: a[t] for t in members}}, {"": {t: b[t] for t in members}}, clusters=clusters)
        exact = len(members) == 1 and _independent(a[name], b[name], clusters)
        p = mcnemar(a[name], b[name]).p_value if exact else found.p_items
        rows.append(
            Paired(
                evaluator=evaluator,
                metric=metric,
                task=name,
                subject=pair[0],
                against=pair[1],
                estimate=found.estimate,
                ci95=found.ci95,
                test=MCNEMAR if exact else SIGN_FLIP,
                p=p,
                detectable=found.detectable,
                n=found.items,
                wins=found.wins,
                losses=found.losses,
            )
        )
    return rows


def _independent(a: Items, b: Items, clusters: Mapping[str, str]) -> bool:
    """Whether McNemar's test applies: every item right or wrong, and in a cluster of its own."""
    shared = a.keys() & b.keys()
    return all(values[i] in (0, 1) for i in shared for values in (a, b)) and len(
        {clusters.get(i, i) for i in shared}
    ) == len(shared)


def _corrected(rows: Sequence[Paired]) -> list[Paired]:
    corrected = holm([row.p for row in rows if row.p is not None])
    return [row.model_copy(update={"p_holm": p}) for row, p in zip(rows, corrected, strict=True)]
