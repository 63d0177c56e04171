"""Which of the evaluators' questions a text holds: as they are, in a passage, or nearly.

What many questions of a task have in common is its template (instructions, the heading of the options, a stock phrase) and
tells nothing: only what sets a question apart counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from textwrap import shorten
from typing import Final, NamedTuple

import numpy as np

from orca_core.records import Query
from orca_curation.ngrams import RUN, Copies, Flags, Keys, Passages, Runs
from orca_curation.shingles import shingles, words

TEMPLATE: Final = 10
"""Three words in more questions of a task than this are template; in a small task, those in more than half of them.
Our choice: AGIEval asks up to 8 questions on a passage, which are no template."""
EVIDENCE: Final = 200
"""Characters of evidence."""


class Question(NamedTuple):
    """A question of an evaluator."""

    evaluator: str
    query: Query

    @property
    def stem(self) -> str:
        """The text before its options, which may stand in another order elsewhere; all of it where there are none."""
        text = self.query.text
        return text[: max(0, min((text.rfind(choice) for choice in self.query.choices), default=len(text)))]


class Match(NamedTuple):
    """A question that a text overlaps with."""

    reason: str
    question: Question
    evidence: str


class Questions:
    """Looks for questions in texts, a block of texts at a time.

    Args:
        questions: of all evaluators; of several with the same text, the first is the one that is found.
        ngram: words in a passage that is evidence by itself; None: no passage is.
        fuzzy: share of the words that set a question apart which is evidence; None: no share is.
        min_words: words that must set a passage or a question apart for it to be evidence unless the whole text is the same.
    """

    def __init__(self, questions: Iterable[Question], ngram: int | None, fuzzy: float | None, min_words: int) -> None:
        distinct: dict[str, Question] = {}
        for question in questions:
            distinct.setdefault(question.query.text, question)
        self._questions, self._ngram = list(distinct.values()), ngram
        texts = [words(text, symbols=False) for text in distinct]
        self._texts = [_joined(text) for text in texts]
        self._whole: dict[str, list[int]] = {}
        for index, text in enumerate(self._texts):
            self._whole.setdefault(text, []).append(index)
        hashed = shingles(texts, RUN)
        self._keys = Keys(hashed.hashes)
        runs = Runs.of(self._keys.find(hashed.hashes), hashed.bounds)
        apart = ~self._template(runs)[runs.numbers] & _speaking(texts)
        stems = np.array([len(words(question.stem, symbols=False)) for question in self._questions], dtype=np.int64)
        self._rarest = self._rarest_runs(runs, min_words)
        self._rare = np.isin(np.arange(len(self._keys)), list(self._rarest))
        self._passages = None if ngram is None else Passages(runs, apart, ngram, min_words)
        self._copies = None if fuzzy is None else Copies(runs, apart, stems, fuzzy, min_words)

    def find(self, texts: Sequence[str]) -> dict[int, Match]:
        """The strongest evidence against each text that has any, by its index: the whole, a passage, a near copy."""
        split = [words(text, symbols=False) for text in texts]
        hashed = shingles(split, RUN)
        runs = Runs.of(self._keys.find(hashed.hashes), hashed.bounds)
        by_weight = (
            self._near(runs),
            self._shared(runs, split),
            self._embedded(texts, split, runs),
            self._same(texts, split),
        )
        return dict(chain.from_iterable(by_weight))

    def _template(self, runs: Runs) -> Flags:
        """Of each run of words, whether many questions of one task have it."""
        names = [(question.evaluator, question.query.task) for question in self._questions]
        sizes = Counter(names)
        number = {name: index for index, name in enumerate(sizes)}
        tasks = np.array([number[name] for name in names], dtype=np.int64)
        limits = np.array([max(1, min(TEMPLATE, size // 2)) for size in sizes.values()], dtype=np.int64)
        numbers, texts = np.unique(np.stack([runs.numbers, runs.texts]), axis=1)
        (numbers, tasks), counts = np.unique(np.stack([numbers, tasks[texts]]), axis=1, return_counts=True)
        template = np.zeros(len(self._keys), dtype=np.bool_)
        template[numbers[counts > limits[tasks]]] = True
        return template

    def _rarest_runs(self, runs: Runs, min_words: int) -> dict[int, list[int]]:
        """Of each question the run that the fewest have: whatever holds the whole question holds this run."""
        counts = np.bincount(runs.numbers)
        order = np.lexsort((counts[runs.numbers], runs.texts))
        texts, first = np.unique(runs.texts[order], return_index=True)
        rarest: dict[int, list[int]] = {}
        for index, number in zip(texts.tolist(), runs.numbers[order][first].tolist(), strict=True):
            if len(words(self._questions[index].query.text)) >= min_words:
                rarest.setdefault(number, []).append(index)
        return rarest

    def _same(self, texts: Sequence[str], split: Sequence[Sequence[str]]) -> Iterator[tuple[int, Match]]:
        """Texts that are a question."""
        for index, text in enumerate(split):
            for question in self._whole.get(_joined(text), ()):
                if words(texts[index]) == words(self._questions[question].query.text):  # the same brackets and signs
                    yield index, self._match("exact", question)
                    break

    def _embedded(
        self, texts: Sequence[str], split: Sequence[Sequence[str]], runs: Runs
    ) -> Iterator[tuple[int, Match]]:
        """Texts that have a whole question in them."""
        known = np.flatnonzero(runs.numbers >= 0)
        rare = known[self._rare[runs.numbers[known]]]
        for index, group in groupby(rare.tolist(), key=lambda at: int(runs.texts[at])):
            text = _joined(split[index])
            perhaps = {question for at in group for question in self._rarest[int(runs.numbers[at])]}
            perhaps = {question for question in perhaps if self._texts[question] in text}
            signed = _joined(words(texts[index])) if perhaps else ""
            found = [q for q in perhaps if _joined(words(self._questions[q].query.text)) in signed]
            if found:
                yield index, self._match("exact", max(found, key=lambda q: (len(self._texts[q]), -q)))

    def _shared(self, runs: Runs, split: Sequence[Sequence[str]]) -> Iterator[tuple[int, Match]]:
        """The longest passage of each text that has one."""
        if self._passages is None or self._ngram is None:
            return
        found = zip(*self._passages.find(runs), strict=True)
        for text, group in groupby(found, key=lambda pair: int(runs.texts[pair[0]])):
            start, length, question = _longest([(int(runs.places[at]), int(of)) for at, of in group])
            passage = split[text][start : start + length + self._ngram - 1]
            yield (
                text,
                Match(
                    f"{self._ngram}-gram",
                    self._questions[question],
                    shorten(" ".join(passage), EVIDENCE, placeholder=" …"),
                ),
            )

    def _near(self, runs: Runs) -> Iterator[tuple[int, Match]]:
        """The question that each near copy has most of."""
        if self._copies is None:
            return
        found = zip(*(column.tolist() for column in self._copies.find(runs)), strict=True)
        for text, group in groupby(found, key=lambda hit: hit[0]):
            _, index, share = max(group, key=lambda hit: (hit[2], -hit[1]))
            yield text, self._match("fuzzy", index, f"{share:.0%} of: ")

    def _match(self, reason: str, question: int, before: str = "") -> Match:
        found = self._questions[question]
        return Match(reason, found, before + shorten(found.query.text, EVIDENCE, placeholder=" …"))


def _speaking(texts: Iterable[Sequence[str]]) -> Flags:
    """Of each run of words, whether it is more than numbers and letters: labels of options, a formula, a table."""
    plain = [[word.isdecimal() or (len(word) == 1 and word.isascii()) for word in text] for text in texts]
    return np.array([sum(run) < RUN - 1 for text in plain for run in zip(text, text[1:], text[2:], strict=False)], bool)


def _longest(starts: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """Of (place, question): place, number and first question of the longest stretch of places that follow one another."""
    stretches: list[list[tuple[int, int]]] = []
    for place, question in starts:
        if not stretches or place != stretches[-1][-1][0] + 1:
            stretches.append([])
        stretches[-1].append((place, question))
    best = max(stretches, key=len)
    return best[0][0], len(best), best[0][1]


def _joined(text: Sequence[str]) -> str:
    """Words as text in which words are found."""
    return f" {' '.join(text)} "
