"""The evaluator ``judge``: asks the questions, then has the answers judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orca_core import Component, Context, Estimate, Evaluator, Prompt, Responder, Score, Trace, part_nodes
from orca_judge import forms, parsing
from orca_judge.asking import Asker, Bill
from orca_judge.config import JudgeConfig
from orca_judge.hostile import flags
from orca_judge.planning import estimate
from orca_judge.questions import read_hub, read_path

Points = tuple[float, ...]
"""The scores in the order in which the answers were shown, or a single one's."""


@dataclass(frozen=True, slots=True)
class Item:
    """An answer beside the reference's."""

    prompt: Prompt
    answer: str
    reference: str | None
    hostile: frozenset[str]
    suspect: bool
    """Whether either answer was flagged."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that a judge is asked of an item, and how its reply is read."""

    item: Item
    order: int
    """0: the reference is shown first; 1: the candidate is. The same text twice makes the same prompt in both."""
    prompt: Prompt
    key: str
    """The prompt's id."""
    parse: Callable[[str], Points | None]


class JudgeEvaluator:
    """Builds judge and reference when it scores, and not before."""

    def __init__(self, config: JudgeConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._bill = Bill(context.progress)

    def prompts(self) -> Iterator[Prompt]:
        config = self._config
        if config.path is not None:
            yield from (Prompt(query, config.system) for query in read_path(config.path, config.n))
        for name, source in config.hub.items():
            yield from (Prompt(query, config.system) for query in read_hub(name, source, config.n))

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        """Have every answer judged; see :mod:`orca_judge.figures` for what the scores are."""
        answers = list(traces)
        self._bill = Bill(self._context.progress)
        items, sets = self._items(answers), dict[str, list[Item]]()
        for item in items:
            sets.setdefault(item.prompt.query.task, []).append(item)
        requests = {id(item): self.requests(item) for item in items}
        said = self._readings([request for of in requests.values() for request in of])
        for task, mine in sets.items():
            yield from self._scores(task, mine, [request for item in mine for request in requests[id(item)]], said)

    def asked(self) -> Mapping[str, float]:
        return dict(self._bill.sums)

    def estimate_scoring(self, answers: Iterable[Prompt | Trace]) -> Estimate:
        """What asking the reference and the judges will take: see :func:`orca_judge.planning.estimate`."""
        return estimate(answers, self._reference(), list(self._judges().values()), self._planned)

    def requests(self, item: Item) -> list[Request]:
        """What each judge is asked of an item.

        The paper's form is left as it was published, but where an answer is suspect; in the other modes all are fenced.
        """
        query, answer, reference, mode = item.prompt.query, item.answer, item.reference, self._config.mode
        if reference is None:
            prompt = forms.single(query, answer, fenced=True)
            return [Request(item, 0, prompt, prompt.id, _grade)]
        fenced, orders = mode == "sound" or item.suspect, (0, 1) if mode == "sound" else (0,)
        ask, read = forms.reviewer, parsing.score_tuple if forms.is_mathematical(query) else parsing.scores
        if mode == "sound" and self._config.form == "pairwise":
            ask, read = forms.pairwise, _verdict
        prompts = [ask(query, *_shown(reference, answer, order), fenced=fenced) for order in orders]
        return [Request(item, order, prompt, prompt.id, read) for order, prompt in zip(orders, prompts, strict=True)]

    def _judges(self) -> dict[str, Responder]:
        return {name: self._context.make("teacher", node) for name, node in part_nodes(self._config.judge).items()}

    def _reference(self) -> Responder | None:
        node = self._config.reference
        return None if node is None else self._context.make("teacher", node)

    def _planned(self, prompt: Prompt, answer: str, reference: str | None) -> list[Prompt]:
        return [request.prompt for request in self.requests(_item(prompt, answer, reference))]

    def _items(self, answers: Sequence[Trace]) -> list[Item]:
        """The answers with the reference's, who is asked first."""
        reference = self._reference()
        if reference is None:
            return [_item(trace.prompt, trace.text, None) for trace in answers]
        self._bill.total += len(answers)
        found = Asker(reference, "the reference", self._bill).answers(
            {trace.prompt.id: trace.prompt for trace in answers}
        )
        return [_item(trace.prompt, trace.text, found[trace.prompt.id].text) for trace in answers]

    def _readings(self, requests: Sequence[Request]) -> list[dict[str, Points | None]]:
        """What each judge says, by request."""
        judges, wanted = self._judges(), {request.key: request for request in requests}
        self._bill.total += len(wanted) * len(judges)
        prompts, parsers = {k: r.prompt for k, r in wanted.items()}, {k: r.parse for k, r in wanted.items()}
        return [
            Asker(judge, f"judge {name}".strip(), self._bill, self._config.dead_letters).readings(prompts, parsers)
            for name, judge in judges.items()
        ]

    def _scores(
        self, task: str, items: Sequence[Item], requests: Iterable[Request], said: Sequence[Mapping[str, Points | None]]
    ) -> Iterator[Score]:
        """Of one set of questions: ``items`` and ``requests`` are its own."""
        import numpy as np

        from orca_judge import figures

        mode = self._config.mode
        place = {id(item): index for index, item in enumerate(items)}
        points = np.full((len(items), len(said), 2 if mode == "sound" else 1, 1 if mode == "single" else 2), np.nan)
        for request in requests:
            for judge, readings in enumerate(said):
                if (found := readings[request.key]) is not None:
                    points[place[id(request.item)], judge, request.order] = found if request.order else found[::-1]
        longer = np.array([len(item.answer) - len(item.reference or "") for item in items], dtype=float)
        ids = [item.prompt.id for item in items]
        judged = figures.Judged(task, ids, points, longer, [item.hostile for item in items])
        if mode == "sound":
            yield from figures.sound(judged, scored=self._config.form == "reviewer")
        else:
            yield from (figures.paper if mode == "paper" else figures.single)(judged)


def _item(prompt: Prompt, answer: str, reference: str | None) -> Item:
    hostile = flags(answer)
    return Item(prompt, answer, reference, hostile, bool(hostile or flags(reference or "")))


def _shown(reference: str, answer: str, order: int) -> tuple[str, str]:
    return (answer, reference) if order else (reference, answer)


def _verdict(reply: str) -> tuple[float, float] | None:
    win = parsing.verdict(reply)
    return None if win is None else (win, 1 - win)


def _grade(reply: str) -> tuple[float] | None:
    grade = parsing.rating(reply)
    return None if grade is None else (grade,)


EVALUATOR: Component[JudgeConfig, Evaluator] = Component("judge", JudgeConfig, JudgeEvaluator)
