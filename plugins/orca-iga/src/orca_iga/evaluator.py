"""The evaluator ``isomers``: does a student answer by the logic of a question, or by its cue and its domain's words?

Cores that are never trained on are asked in the trained domains with a cue that gives the answer away, in the same ones with a cue
drawn at random, and in held-out domains with a cue drawn at random.

    shortcut_gap = accuracy(telling cue) - accuracy(random cue), over the same cores and trained domains
    lcs          = mean_s mean_k || a_sk - mean_k a_sk ||^2 = mean_s (1 - sum_v share_s(v)^2)

with ``a_sk`` the answer to core s in domain k, trained and held out, as a one-hot vector (nothing readable is a value of its own) and
``share_s(v)`` the share of its domains with answer v. 0: the answer never depends on the domain. A student that always says the same
has 0 too, so it tells something only beside the accuracy of the same answers. The paper's own definition of its Logical Consistency
Score was not at hand: figures are not comparable with it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from statistics import fmean
from typing import Final, Self

from pydantic import Field, model_validator

from orca_core.component import Component, Config, Context
from orca_core.protocols import Evaluator
from orca_core.records import Prompt, Score, Trace
from orca_core.stats import cluster_bootstrap, proportion_score
from orca_core.verify import AnswerVerifier, stated_answer
from orca_iga.isomers import HELD_OUT, TASK, TRAINED, Domain, cores

TELLING: Final = "telling-cue"
RANDOM: Final = "random-cue"
ASIDE: Final = "held-out-domains"
GAP: Final = "shortcut_gap"
LCS: Final = "lcs"
VALUES: Final = 10
"""Answers there are."""
_FORM: Final = re.compile(r"\s*\d \d \d\s*")


class IsomersEvalConfig(Config):
    """Accuracy with and without the shortcut and in held-out domains, the gap, and how far answers depend on the domain."""

    n: int = Field(200, ge=2, description="cores, each asked in every domain")
    domains: tuple[Domain, ...] = Field(TRAINED, min_length=1, description="that were trained on")
    held_out: tuple[Domain, ...] = Field(HELD_OUT, min_length=1, description="that were not")
    seed: int = Field(0, ge=0, description="of the questions; the run's own seed does not change them")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := sorted({*self.domains} & {*self.held_out}):
            raise ValueError(f"{both[0]} is among the trained domains and the held-out ones")
        return self


class IsomersEvaluator:
    """Implements :class:`orca_core.protocols.Evaluator`."""

    def __init__(self, config: IsomersEvalConfig) -> None:
        self.config = config

    def prompts(self) -> Iterator[Prompt]:
        config = self.config
        luck = Random(f"{config.seed}/cues")
        for core in islice(cores(Random(f"{config.seed}/held-out"), held_out=True), config.n):
            for domain in config.domains:
                yield Prompt(core.query(domain, core.telling_cue(domain), TELLING))
                yield Prompt(core.query(domain, luck.randrange(10), RANDOM))
            for domain in config.held_out:
                yield Prompt(core.query(domain, luck.randrange(10), ASIDE))

    def score(self, traces: Iterable[Trace]) -> Iterator[Score]:
        by_task: dict[str, list[Trace]] = defaultdict(list)
        for trace in traces:
            by_task[trace.prompt.query.task].append(trace)
        for task, answers in by_task.items():
            right = {trace.prompt.id: _right(trace) for trace in answers}
            yield proportion_score(task, right, chance=1 / VALUES, format_ok=_formed(answers))
        yield from _gap(by_task[TELLING], by_task[RANDOM])
        yield from _consistency([*by_task[RANDOM], *by_task[ASIDE]])


def _gap(telling: Sequence[Trace], random: Sequence[Trace]) -> Iterator[Score]:
    """The shortcut gap, over questions that were asked with both cues."""
    without = {_asked(trace): _right(trace) for trace in random}
    pairs = [trace for trace in telling if _asked(trace) in without]
    if len({trace.prompt.query.cluster for trace in pairs}) < 2:
        return
    items = {trace.prompt.id: float(_right(trace)) - without[_asked(trace)] for trace in pairs}
    yield Score(
        task=TASK,
        metric=GAP,
        value=fmean(items.values()),
        n=len(items),
        ci95=cluster_bootstrap(list(items.values()), [trace.prompt.query.cluster for trace in pairs]),
        chance=0.0,
        format_ok=_formed([*telling, *random]),
        items=items,
        note="lower is better: accuracy with a cue that gives the answer away, less that with a random one",
    )


def _consistency(answers: Sequence[Trace]) -> Iterator[Score]:
    """The logical consistency score, over the sets that were answered in every domain."""
    sets: dict[str, list[Trace]] = defaultdict(list)
    for trace in answers:
        sets[trace.prompt.query.cluster].append(trace)
    size = max(map(len, sets.values()), default=0)
    whole = [members for members in sets.values() if len(members) == size]
    if size < 2:
        return
    accuracy = fmean(_right(trace) for members in whole for trace in members)
    score = proportion_score(
        TASK,
        {members[0].prompt.id: disagreement([stated_answer(trace) for trace in members]) for members in whole},
        metric=LCS,
        # of independent uniform guesses
        chance=(1 - 1 / size) * (1 - 1 / VALUES),
        format_ok=_formed(answers),
    )
    yield replace(score, note=f"lower is better; accuracy of the same answers: {accuracy:.1%}")


def disagreement(answers: Sequence[Hashable]) -> float:
    """``mean_k || a_k - mean_k a_k ||^2`` of one-hot answers: ``1 - sum_v share(v)^2``, 0 where all agree."""
    counts: Mapping[Hashable, int] = Counter(answers)
    return 1 - sum((count / len(answers)) ** 2 for count in counts.values())


def _asked(trace: Trace) -> tuple[str, str]:
    """What was asked, but for the cue."""
    query = trace.prompt.query
    return query.cluster, str(query.meta["domain"])


def _right(trace: Trace) -> bool:
    return bool(AnswerVerifier().verify(trace.prompt.query, trace.text))


def _formed(answers: Sequence[Trace]) -> float:
    """Share of the answers that are three digits."""
    return fmean(_FORM.fullmatch(trace.text) is not None for trace in answers)


def _build(config: IsomersEvalConfig, context: Context) -> Evaluator:
    return IsomersEvaluator(config)


EVALUATOR: Final = Component[IsomersEvalConfig, Evaluator]("isomers", IsomersEvalConfig, _build)
