"""The offline writer ``skill-rules``: mines which words of an answer go with its being right, and on which questions.

For a word f of answers and a condition g on questions, over the cases on which g holds, each probability smoothed by +1/+2:

    score(f | g) = P(f | right, g) - P(f | wrong, g)

is kept where |score| >= 0.15 with at least 8 cases that have f and 8 that have not: "when g: use f", or, below zero, "avoid f".
Conditions are ranked by what following their best rule promises, n_g (P(right | f, g) - P(right | g)): the repairs less the
regressions if every answer had f. So a rule for some questions that harms others is worth less without its condition.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field

from orca_core import Component, Config, Context, Prompt, Responder, Trace, UserError
from orca_skillgen.conditions import ALWAYS, MEASURES, parse, words
from orca_skillgen.induction import Case
from orca_skillgen.skill import SECTIONS
from orca_skillgen.writing import MOST_HYPOTHESES, NOTHING, TASK, Hypothesis

LEAST_SCORE: Final = 0.15
LEAST_SUPPORT: Final = 8
CUTS: Final = (0.2, 0.4, 0.6, 0.8)
"""Quantiles of a measure at which questions are divided."""
MOST_MENTIONS: Final = 20
MOST_WORDS: Final = 3
"""Words of answers that a rule names."""
_SENTENCE: Final = re.compile(r"[^\d.!?\n]+(?=[.!?\n]|$)")


class RulesConfig(Config):
    """Writes a skill without a model: rules on the words that right and wrong answers use."""

    routed: bool = Field(
        True, description="look for a condition under which the rules hold; false: a skill for all questions"
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """Under a condition, words to use and words to avoid, and what following the best of them promises."""

    when: str
    use: tuple[str, ...]
    avoid: tuple[str, ...]
    promise: float

    def hypothesis(self, cases: Sequence[Case]) -> Hypothesis:
        """The rule in words, with a sentence of a right answer and one of a wrong one that show what is meant."""
        here = [case for case in cases if parse(self.when)(case.question)]
        use, avoid = (" and ".join(f'"{word}"' for word in group) for group in (self.use, self.avoid))
        like, unlike = _sentence(here, self.use, right=True), _sentence(here, self.avoid, right=False)
        return Hypothesis(
            self.when,
            f"Answer the way right answers do, with {use}{like}." if use else "",
            f"Do not answer with {avoid}{unlike}; wrong answers do." if avoid else "",
        )


def mine(cases: Sequence[Case], *, routed: bool = True) -> list[Rule]:
    """The rules that hold on these cases and promise anything, the best first; one for each way to divide the questions."""
    said = [frozenset(words(case.answer)) for case in cases]
    rules: dict[tuple[int, ...], Rule | None] = {}
    for when in _conditions([case.question for case in cases]) if routed else [ALWAYS]:
        holds = parse(when)
        members = tuple(i for i, case in enumerate(cases) if holds(case.question))
        if members not in rules:
            rules[members] = _rule(when, [(said[i], cases[i].right) for i in members])
    return sorted((rule for rule in rules.values() if rule and rule.promise > 0), key=lambda rule: -rule.promise)


def _conditions(questions: Sequence[str]) -> Iterator[str]:
    """Conditions that divide the questions, and the one that does not."""
    yield ALWAYS
    for name, measure in MEASURES.items():
        values = sorted(map(measure, questions))
        for cut in sorted({values[int(share * (len(values) - 1))] for share in CUTS}):
            yield from (f"{name} <= {cut}", f"{name} >= {cut + 1}")
    mentioned = Counter(word for question in questions for word in set(words(question)))
    some = sorted((-n, word) for word, n in mentioned.items() if 0.1 <= n / len(questions) <= 0.9)
    yield from (f"mentions {word}" for _, word in some[:MOST_MENTIONS])


@dataclass(frozen=True, slots=True)
class _Word:
    """What a word of answers tells of their being right."""

    word: str
    score: float
    promise: float


def _rule(when: str, members: Sequence[tuple[frozenset[str], bool]]) -> Rule | None:
    telling = [word for word in _scored(members) if abs(word.score) >= LEAST_SCORE]
    if not telling:
        return None
    # of words that tell as much the longer ones, which are the less common
    ranked = sorted(telling, key=lambda w: (-abs(w.score), -len(w.word), w.word))
    use, avoid = ([w.word for w in ranked if (w.score > 0) is good][:MOST_WORDS] for good in (True, False))
    return Rule(when, tuple(use), tuple(avoid), max(word.promise for word in telling))


def _scored(members: Sequence[tuple[frozenset[str], bool]]) -> Iterator[_Word]:
    n, right = len(members), sum(was_right for _, was_right in members)
    having = Counter(word for said, _ in members for word in said)
    right_having = Counter(word for said, was_right in members if was_right for word in said)
    for word, count in having.items():
        if min(count, n - count) >= LEAST_SUPPORT:
            hits = right_having[word]
            score = (hits + 1) / (right + 2) - (count - hits + 1) / (n - right + 2)
            # those who follow the rule have the word, or have it not where it is to be avoided
            kept, kept_right = (count, hits) if score > 0 else (n - count, right - hits)
            yield _Word(word, score, n * ((kept_right + 1) / (kept + 2) - (right + 1) / (n + 2)))


def _sentence(cases: Sequence[Case], wanted: Sequence[str], *, right: bool) -> str:
    """The sentence with most of the words, the commonest and shortest of such; without numbers, which are one question's own."""
    found = Counter(
        sentence.strip()
        for case in cases
        if case.right is right
        for sentence in _SENTENCE.findall(case.answer)
        if not set(wanted).isdisjoint(words(sentence))
    )
    if not found:
        return ""
    best = min(found, key=lambda s: (-len(set(wanted) & set(words(s))), -found[s], len(s), s))
    return f' (as in: "{best}")'


def page(hypothesis: Mapping[str, str], number: int) -> str:
    """A skill's page that says what a hypothesis does."""
    everywhere = hypothesis["when"] == ALWAYS
    texts = (
        "All questions." if everywhere else f"Questions with {hypothesis['when']}.",
        hypothesis["do"] or "Nothing in particular.",
        hypothesis["avoid"] or "Nothing in particular.",
    )
    sections = "\n\n".join(f"## {title}\n{text}" for title, text in zip(SECTIONS, texts, strict=True))
    head = f"name: rule-{number}\ndescription: {hypothesis['do'] or hypothesis['avoid']}\nwhen: {hypothesis['when']}"
    return f"---\n{head}\n---\n\n{sections}\n"


class OfflineWriter:
    """Replies to a writer's two requests from the data that come with them: hypotheses, then the first page not tried yet."""

    name = "skill-rules"

    def __init__(self, config: RulesConfig) -> None:
        self.config = config

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """The replies.

        Raises:
            UserError: a prompt asks for something else.
        """
        for prompt in prompts:
            data = prompt.query.meta.get(TASK)
            if not isinstance(data, Mapping):
                raise UserError(
                    f"teacher '{self.name}' writes skills and answers no questions; put it at writer=, as in "
                    f"teacher=skilled +teacher@teacher.writer={self.name}"
                )
            yield Trace(prompt, self._reply(data), model=self.name, cost_usd=0.0)

    def hypotheses(self, cases: Sequence[Case]) -> list[Hypothesis]:
        """What the cases suggest, the most promising first."""
        return [rule.hypothesis(cases) for rule in mine(cases, routed=self.config.routed)]

    def _reply(self, data: Mapping[str, Any]) -> str:
        if data["wanted"] == "hypotheses":
            found = self.hypotheses([Case(**case) for case in data["cases"]])[:MOST_HYPOTHESES]
            return json.dumps([{"when": h.when, "do": h.do, "avoid": h.avoid} for h in found])
        pages = [page(hypothesis, number) for number, hypothesis in enumerate(data["hypotheses"], 1)]
        return next((text for text in pages if text not in data["tried"]), NOTHING)


def _build(config: RulesConfig, context: Context) -> Responder:
    return OfflineWriter(config)


RULES: Final = Component[RulesConfig, Responder]("skill-rules", RulesConfig, _build)
