"""The signals, and the selector ``bits``: what they keep, what they drop and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from math import log2
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from infosynth_pools import answered, asked, context
from orca_infosynth import BITS, CONFIDENT, MAJORITY, VERDICT
from orca_infosynth.bits import expected_bits
from orca_infosynth.opinions import opinions, prompt_of

from orca_core import Selector, Trace, UserError
from orca_core.testing import build, check_selector

TRACES = answered(asked(40))


def bits(**config: Any) -> Selector:
    return build(BITS, context(), **{"signal": {"name": "verdict"}, **config})


def kept(selector: Selector, traces: list[Trace] = TRACES) -> list[Trace]:
    return [trace for trace, reason in check_selector(selector, traces) if reason is None]


def reasons(selector: Selector, traces: list[Trace] = TRACES) -> Counter[str | None]:
    return Counter(reason for _, reason in check_selector(selector, traces))


def stating(*texts: str, finish: str = "stop") -> list[Trace]:
    first = asked(1, len(texts))
    return [Trace(prompt, text, "nobody", finish) for prompt, text in zip(first, texts, strict=True)]


def test_opinions_count_what_answers_come_down_to() -> None:
    samples = stating("The answer is 3.", "So it is 4", "The answer is 4.", "")
    cut = [*samples, *stating("The answer is 4.", finish="length")]
    held = opinions(cut)
    assert [opinion.answer for opinion in held] == ["3", "4", "4", None, None]
    assert [opinion.share for opinion in held] == [0.2, 0.4, 0.4, 0, 0]
    assert [opinion.agrees for opinion in held] == [False, True, True, False, False]
    assert [opinion.bin for opinion in held] == [1, 2, 2, 0, 0]


def test_majority_keeps_what_most_samples_state_and_of_a_tie_the_first() -> None:
    majority = build(MAJORITY, context())
    assert (
        kept(majority, stating("It is 4.", "It is 3.", "It is 3.", "It is 4.", "5"))
        == stating("It is 4.", "It is 3.", "It is 3.", "It is 4.", "5")[::3]
    )
    assert reasons(majority, stating("", ""))["not the majority's answer"] == 2


def test_confident_keeps_the_likelier_half() -> None:
    chosen = kept(build(CONFIDENT, context()))
    assert len(chosen) == len(TRACES) / 2
    left = [trace.logprob for trace in TRACES if trace not in chosen]
    assert min(trace.logprob or 0 for trace in chosen) >= max(value or 0 for value in left)


def test_without_likelihoods_confident_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"does not tell how likely it was; ask a student that samples"):
        list(build(CONFIDENT, context()).select([replace(TRACES[0], logprob=None)]))


def test_a_verdict_errs_as_often_as_it_is_told_to_and_always_about_the_same_words() -> None:
    exact = build(VERDICT, context())
    assert kept(exact) == [trace for trace in TRACES if trace.correct]
    many = answered(asked(400))
    noisy = check_selector(build(VERDICT, context(), flip=0.3), many)
    wrong = [(trace.prompt.query.id, trace.text) for trace, reason in noisy if (reason is None) != trace.correct]
    told = {(trace.prompt.query.id, trace.text) for trace in many}
    assert 0.26 < len(set(wrong)) / len(told) < 0.34
    verdicts = defaultdict(set)
    for trace, reason in noisy:
        verdicts[trace.prompt.query.id, trace.text].add(reason)
    assert {len(found) for found in verdicts.values()} == {1}
    assert reasons(exact, [replace(TRACES[0], correct=None)]) == {"no verdict": 1}


def test_bits_keeps_what_the_signal_keeps_where_its_verdicts_differ() -> None:
    passed = Counter(prompt_of(trace) for trace in TRACES if trace.correct)
    wanted = [trace for trace in TRACES if trace.correct and passed[prompt_of(trace)] < 8]
    assert kept(bits()) == wanted
    counted = reasons(bits())
    alike = sum(8 for prompt in {prompt_of(trace) for trace in TRACES} if passed[prompt] in (0, 8))
    assert counted["its samples were all judged alike"] == alike > 0
    assert counted["signal: judged wrong"] == len(TRACES) - len(wanted) - alike


def test_bits_can_ask_for_more_bits_and_fewer_samples() -> None:
    passed = Counter(prompt_of(trace) for trace in TRACES if trace.correct)
    chosen = Counter(prompt_of(trace) for trace in kept(bits(min_bits=0.9, keep=2)))
    assert set(chosen.values()) <= {1, 2}
    assert set(chosen) == {prompt for prompt, count in passed.items() if 3 <= count <= 5} | {
        prompt for prompt, count in passed.items() if count in (2, 6) and expected_bits(count, 8) >= 0.9
    }
    counted = reasons(bits(min_bits=0.9, keep=2))
    assert counted["too few bits"] > 0
    assert counted["enough of its prompt"] > 0


def test_bits_takes_the_prompts_of_most_bits_per_token_while_tasks_take_turns() -> None:
    long = [replace(trace, completion_tokens=11) if trace.prompt.query.task == "odd" else trace for trace in TRACES]
    chosen = {prompt_of(trace): trace.prompt.query.task for trace in kept(bits(prompts=6), long)}
    assert len(chosen) == 6
    assert sorted(chosen.values()) == ["even"] * 3 + ["odd"] * 3
    assert {trace.prompt.query.task for trace in kept(bits(prompts=1), long)} == {"even"}
    passed = Counter(prompt_of(trace) for trace in long if trace.correct)
    assert {passed[prompt] for prompt in chosen} <= {3, 4, 5}


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_expected_bits_are_laplaces_entropy_and_highest_at_one_half(pair: tuple[int, int]) -> None:
    k, n = pair
    p = (k + 1) / (n + 2)
    assert expected_bits(k, n) == pytest.approx(-p * log2(p) - (1 - p) * log2(1 - p))
    assert 0 < expected_bits(k, n) <= 1
    assert expected_bits(k, n) == pytest.approx(expected_bits(n - k, n))
    assert expected_bits(4, 8) == 1
