"""Auditing a signal on a pool of a model's own samples (after arXiv 2605.16379, its section on open and closed loops).

Rows are samples i with: truth C in {0, 1}, signal S, the model's own opinion Z, the answer G that a sample comes down to, and
nuisance features U. The pool is a random draw of questions; its samples of one question are one cluster.

- openness  I(C;S|Z): bits per sample that the signal tells about what is right, beyond what the model thinks itself.
- efficiency eta = sum_q I(G;S|q) / sum_q I(Y;S|q): of the bits that the signal spends on telling apart the responses Y to a
  question, the share that goes to their answers. With Y uniform over the K distinct responses and S a function of them,
  I(Y;S|q) = H(S|q) and I(G;S|q) = H(S|q) - H(S|G,q), both exact: nothing is estimated within a question.
- excess bits log2 M: what imitating one stored reference spends on which of the M right responses it is.
- ratio I(U;S) / H(U) of every component U: what the signal rewards most cheaply is what a student learns first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import NamedTuple

import numpy as np

from orca_infosynth.estimators import (
    Codes,
    Mask,
    Statistic,
    Test,
    entropy,
    information,
    interval,
    joint,
    permutation_test,
)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Pool:
    """A pool of samples, an entry of each array per sample."""

    question: Codes
    cluster: Codes
    """What shares its luck: questions about one passage are one (:attr:`orca_core.Query.cluster`)."""
    response: Codes
    """Equal where the words are."""
    answer: Codes
    """The class of the response: what it comes down to."""
    truth: Codes
    signal: Codes
    opinion: Codes
    """The stratum of the model's own opinion."""
    nuisances: Mapping[str, Codes]
    """Features that nobody wants to reward, by name."""


class Figure(NamedTuple):
    """One figure with its 95 % interval over questions and how many rows or questions it rests on."""

    value: float
    ci95: Interval
    n: int


class Openness(NamedTuple):
    """How open a loop is that accepts samples by the signal."""

    bits: Figure
    test: Test


class Component(NamedTuple):
    """What a signal tells about one property of the samples, at which price."""

    name: str
    ratio: Figure
    """I(U;S) / H(U), in bits per bit."""
    cost: float
    """H(U) in bits."""


def openness(pool: Pool, *, draws: int, seed: int) -> Openness:
    """I(C;S|Z) in bits per sample (Miller-Madow), with a permutation test of S within the strata of Z."""

    def bits(rows: Mask) -> float:
        return information(pool.truth[rows], pool.signal[rows], pool.opinion[rows])

    test = permutation_test(pool.truth, pool.signal, pool.opinion, blocks=_blocks(pool), draws=draws, seed=seed)
    return Openness(_figure(bits, pool.cluster), test)


def _blocks(pool: Pool) -> Codes | None:
    """Samples of a question that come down to the same in the same stratum, if the signal never tells such apart; else None."""
    alike = joint(pool.question, pool.answer, pool.opinion)
    split = joint(alike, pool.signal).max() > alike.max()
    return None if split else alike


def efficiency(pool: Pool) -> Figure | None:
    """eta in [0, 1]; None where it tells responses apart in fewer than two questions."""
    distinct = np.unique(joint(pool.question, pool.response), return_index=True)[1]
    question, answer, signal = pool.question[distinct], pool.answer[distinct], pool.signal[distinct]
    places = np.unique(question, return_inverse=True)[1]
    terms = np.array([_terms(answer[places == q], signal[places == q]) for q in range(int(places.max(initial=-1)) + 1)])
    informative = terms[terms[:, 1] > 0] if len(terms) else terms
    if len(informative) < 2:
        return None

    def share(rows: Mask) -> float:
        about_answer, about_response = informative[rows].sum(axis=0)
        return float(about_answer / about_response)

    return _figure(share, np.arange(len(informative)))


def _terms(answer: Codes, signal: Codes) -> tuple[float, float]:
    """(I(G;S|q), I(Y;S|q)) of a question's distinct responses, exact."""
    return information(answer, signal, corrected=False), entropy(signal, corrected=False)


def excess_bits(pool: Pool) -> Figure | None:
    """The mean of log2 M over questions with M >= 1 distinct right responses; None where fewer than two have any."""
    right = pool.truth == 1
    pairs = np.unique(np.stack([pool.question[right], pool.response[right]]), axis=1)
    counts = np.unique(pairs[0], return_counts=True)[1]
    if len(counts) < 2:
        return None
    bits = np.array([log2(count) for count in counts])
    return _figure(lambda rows: float(bits[rows].mean()), np.arange(len(bits)))


def components(pool: Pool) -> list[Component]:
    """Correctness and every nuisance that varies, the one that the signal tells most cheaply first."""
    found = []
    for name, feature in {"correctness": pool.truth, **pool.nuisances}.items():
        if len(np.unique(feature)) > 1:
            found.append(Component(name, _figure(_ratio(feature, pool.signal), pool.cluster), entropy(feature)))
    return sorted(found, key=lambda component: -component.ratio.value)


def _ratio(feature: Codes, signal: Codes) -> Statistic:
    def ratio(rows: Mask) -> float:
        cost = entropy(feature[rows])
        return information(feature[rows], signal[rows]) / cost if cost else 0.0

    return ratio


def _figure(statistic: Statistic, clusters: Codes) -> Figure:
    return Figure(statistic(np.ones(len(clusters), dtype=bool)), interval(statistic, clusters), len(clusters))
