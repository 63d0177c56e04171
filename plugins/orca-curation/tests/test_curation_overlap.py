"""The screen ``overlap`` by text: what is planted is found, what only looks alike is not."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_curation import OVERLAP
from orca_curation.shingles import words

from orca_core import Prompt, Query, UserError
from orca_core.protocols import Flag
from orca_core.testing import build, make_context

WORDS = [
    a + b + c
    for a in ("ba", "de", "fi", "gu", "lo", "me", "ni")
    for b in ("ron", "stal", "vek", "mir")
    for c in "aeiou"
]
HEAD = "Read what follows with care and then choose the one option that answers it best of all.\n"
CONTEXT = make_context(Path())


def screened(texts: list[str], questions: list[Query], **config: Any) -> list[Flag | None]:
    """The flags of some texts against the questions of one evaluator."""
    prompts = [Prompt(Query(text, f"t{index}")) for index, text in enumerate(texts)]
    screen = build(OVERLAP, CONTEXT, **config)
    pairs = list(screen.screen(prompts, {"exam": [Prompt(question) for question in questions]}))
    assert [prompt for prompt, _ in pairs] == prompts
    return [flag for _, flag in pairs]


def reasons(texts: list[str], questions: list[Query], **config: Any) -> list[str | None]:
    return [flag and flag.reason for flag in screened(texts, questions, **config)]


def said(draw: random.Random, n: int) -> str:
    return " ".join(draw.choices(WORDS, k=n))


def question(draw: random.Random, n: int) -> Query:
    """A question as exams put them: instructions, so many words, options."""
    options = tuple(said(draw, 2) for _ in range(5))
    listed = "\n".join(f"({letter}) {option}" for letter, option in zip("ABCDE", options, strict=True))
    return Query(f"{HEAD}{said(draw, n).capitalize()}?\nOptions:\n{listed}\nThe answer is", "reading", choices=options)


@pytest.fixture(scope="module")
def exam() -> list[Query]:
    draw = random.Random(1)
    return [question(draw, draw.randrange(12, 60)) for _ in range(500)]


def shouted(text: str, draw: random.Random) -> str:
    return re.sub(r"[.,:;?!](?=\s)", "", text).upper().replace(" ", "  ")


def embedded(text: str, draw: random.Random) -> str:
    return f"You are given a task. {said(draw, 20)}\n\n{text}\n\nThink aloud, and end with: so the answer is ..."


def reworded(text: str, draw: random.Random) -> str:
    """Two words in a hundred are others; at least two."""
    words = text.split(" ")
    for place in draw.sample(range(len(words)), max(2, len(words) // 50)):
        words[place] = "otherwise"
    return " ".join(words)


def similar(text: str, draw: random.Random) -> str:
    """With a few words replaced, put in or left out: a Jaccard similarity of 0.8 to 0.95 in runs of three words."""
    words = text.split(" ")
    while True:
        edited = list(words)
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(edited))
            edited[place : place + draw.randint(0, 1)] = draw.choice([draw.choices(WORDS), []])
        one, two = (set(zip(text, text[1:], text[2:], strict=False)) for text in (words, edited))
        if 0.8 <= len(one & two) / len(one | two) <= 0.95:
            return " ".join(edited)


def reordered(query: Query, draw: random.Random) -> str:
    """The same question with its options in another order, without the instructions."""
    stem = query.text.split("Options:", maxsplit=1)[0].split("\n", 1)[-1]
    options = [*query.choices[2:], *query.choices[:2]]
    return stem + "".join(f"{letter}) {option}\n" for letter, option in zip("abcde", options, strict=True))


@pytest.mark.parametrize(
    ("change", "found", "allowed"),
    [
        (lambda query, draw: query.text, 1.0, {"exact"}),
        (lambda query, draw: shouted(query.text, draw), 1.0, {"exact"}),
        (lambda query, draw: embedded(query.text, draw), 1.0, {"exact"}),
        (lambda query, draw: reworded(query.text, draw), 0.99, {"13-gram", "fuzzy"}),
        (lambda query, draw: similar(query.text, draw), 0.99, {"13-gram", "fuzzy", "exact"}),
        (reordered, 0.97, {"13-gram", "fuzzy"}),
    ],
    ids=["copied", "shouted", "embedded", "reworded", "similar", "reordered"],
)
def test_planted_questions_are_found(
    exam: list[Query], change: Callable[[Query, random.Random], str], found: float, allowed: set[str]
) -> None:
    draw = random.Random(2)
    got = reasons([change(query, draw) for query in exam], exam)
    assert sum(reason is not None for reason in got) >= found * len(exam)
    assert set(got) - {None} <= allowed


def test_unrelated_questions_in_the_same_form_are_not_flagged(exam: list[Query]) -> None:
    draw = random.Random(3)
    assert reasons([question(draw, draw.randrange(12, 60)).text for _ in range(500)], exam) == [None] * 500


def test_an_overlap_is_told_with_evaluator_task_and_evidence(exam: list[Query]) -> None:
    asked = exam[7]
    start = asked.text.index("\n") + 1
    passage = " ".join(asked.text[start:].split()[:14])
    copy, part, near = screened([asked.text, f"{passage} and what else", reordered(exam[8], random.Random())], exam)
    assert copy is not None
    assert part is not None
    assert near is not None
    assert {(flag.evaluator, flag.task) for flag in (copy, part, near)} == {("exam", "reading")}
    assert copy.evidence.startswith("Read what follows")
    assert part.reason == "13-gram"
    assert part.evidence == re.sub(r"\W+", " ", passage).strip().lower()
    assert len(copy.evidence) <= 200


@pytest.mark.parametrize(("n", "reason"), [(12, None), (13, "13-gram"), (14, "13-gram")])
def test_thirteen_words_in_a_row_are_evidence_and_twelve_are_not(n: int, reason: str | None) -> None:
    draw = random.Random(4)
    asked = Query(said(draw, 200), "t")
    shared = " ".join(asked.text.split()[100 : 100 + n])
    assert reasons([f"{said(draw, 30)} between {shared} between {said(draw, 30)}"], [asked]) == [reason]


def test_a_passage_ends_with_its_text() -> None:
    draw = random.Random(12)
    asked = [Query(said(draw, 100), "t") for _ in range(2)]
    end, start = asked[0].text.split()[-10:], asked[1].text.split()[:10]
    assert reasons([" ".join(end), " ".join(start), " ".join(end + start)], asked) == [None] * 3


@pytest.mark.parametrize("ngram", [5, 20])
def test_the_number_of_words_is_a_setting(ngram: int) -> None:
    draw = random.Random(5)
    asked = Query(said(draw, 200), "t")
    texts = [" ".join(asked.text.split()[50 : 50 + n]) for n in (ngram - 1, ngram)]
    assert reasons(texts, [asked], ngram=ngram, min_words=5) == [None, f"{ngram}-gram"]


def test_either_measure_can_be_switched_off(exam: list[Query]) -> None:
    draw = random.Random(6)
    words = exam[0].text.split(" ")
    broken = " ".join(word if place % 8 else "other" for place, word in enumerate(words))  # no 13 words in a row
    whole, part = exam[1].text, f"{said(draw, 50)} {' '.join(exam[2].text.split()[18:34])}"
    assert reasons([whole, part, broken], exam) == ["exact", "13-gram", "fuzzy"]
    assert reasons([whole, part, broken], exam, ngram=None) == ["exact", None, "fuzzy"]
    assert reasons([whole, part, broken], exam, fuzzy=None) == ["exact", "13-gram", None]
    assert reasons([whole, part, broken], exam, fuzzy=0.95) == ["exact", "13-gram", None]


def test_what_the_questions_of_a_task_have_in_common_is_no_evidence(exam: list[Query]) -> None:
    draw = random.Random(7)
    text = f"{HEAD}{said(draw, 30)}?\nOptions:\n(A) yes\n(B) no\nThe answer is"
    assert reasons([HEAD * 3, text], exam) == [None, None]
    assert reasons([HEAD * 3], exam[:3]) == [None]  # in a small task, what most of them have
    assert reasons([HEAD * 3], exam[:1]) == ["13-gram"]  # of a single question nobody can tell


def test_a_passage_of_several_questions_is_evidence() -> None:
    draw = random.Random(8)
    passages = [said(draw, 60) for _ in range(12)]
    exam = [Query(f"{passage}\nQ: {said(draw, 9)}?", "reading") for passage in passages for _ in range(8)]
    assert reasons([f"{passages[3]}\nWrite a headline for this text."], exam) == ["13-gram"]


def test_numbers_and_labels_in_a_row_are_no_evidence() -> None:
    draw = random.Random(9)
    listed = "(A) 10 (B) 12 (C) 15 (D) 18 (E) 20"
    asked = [
        Query(f"{said(draw, 15)}? {listed} = 3 + 4 + 5 - 6 * 7 / 8", "t"),
        Query("((1 + 2) * (3 - 4)) + 5 * 6 * 7 =", "t"),
    ]
    texts = [
        f"{said(draw, 20)}? {listed} = 3 + 4 + 5 - 6 * 7 / 8",
        "1 2 3 4 5 6 7",
        "((1 - 2) * (3 - 4)) + 5 * 6 * 7 =",
    ]
    assert reasons(texts, asked) == [None] * 3
    assert reasons(["Work this out: ((1 + 2) * (3 - 4)) + 5 * 6 * 7 ="], asked) == ["exact"]


def test_signs_and_brackets_make_another_question_of_a_short_one() -> None:
    asked = [Query("3 + 4", "t"), Query("Is it so?", "t"), Query("Close these: [ [ (", "t")]
    texts = ["3 - 4", "-3 + 4", "3+4", "is it SO", "Tell me: is it so?", "Close these: [ ( ["]
    assert reasons(texts, asked) == [None, None, "exact", "exact", None, None]


def test_of_evaluators_that_ask_the_same_the_first_is_named() -> None:
    asked = Prompt(Query("Who wrote the book about the whale that is white?", "novels"))
    screen = build(OVERLAP, CONTEXT, on_overlap="drop")
    ((_, flag),) = screen.screen([Prompt(Query(asked.query.text, "t"))], {"second": [asked], "first": [asked]})
    assert flag == Flag("exact", True, "second", "novels", asked.query.text)


def test_without_anything_to_hold_prompts_against_the_screen_says_so() -> None:
    with pytest.raises(UserError, match="choose an evaluator"):
        list(build(OVERLAP, CONTEXT, known="off").screen([Prompt(Query("x", "t"))], {}))


TEXT = st.text(st.sampled_from("ab .,?\n√ßé日0(") | st.characters(), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, max_size=6), st.lists(TEXT, max_size=4))
def test_any_texts_pass_through_and_the_questions_among_them_are_found(texts: list[str], asked: list[str]) -> None:
    found = reasons(texts, [Query(text, "t") for text in asked])
    assert all(reason == "exact" for text, reason in zip(texts, found, strict=True) if text in asked)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 40), st.integers(0, 2000), st.integers(0, 30))
def test_a_question_is_found_wherever_it_stands(seed: int, n: int, before: int, after: int) -> None:
    draw = random.Random(seed)
    asked = [Query(said(draw, n), "t") for _ in range(20)]
    text = f"{said(draw, before)}. {asked[11].text}! {said(draw, after)}"
    assert reasons([said(draw, 20), text], asked)[1] == "exact"


@given(st.text(st.characters(codec="ascii"), max_size=80))
def test_words_of_plain_text_are_those_of_any_text(text: str) -> None:
    assert words(f"{text} ß", symbols=False) == [*words(text, symbols=False), "ss"]


def test_blocks_of_prompts_keep_their_order(exam: list[Query]) -> None:
    draw = random.Random(10)
    texts = [exam[index % 500].text if index % 3 == 0 else said(draw, 20) for index in range(2500)]
    assert reasons(texts, exam) == ["exact" if index % 3 == 0 else None for index in range(2500)]


# --- the real evaluation sets ---


def agieval(shared: Path) -> Iterator[Query]:
    for file in sorted((shared / "agieval").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            options, last = row["options"], "ABCDE"[len(row["options"]) - 1]
            text = f"{row['passage'] or ''}\nQ: {row['question']}\nAnswer Choices: {' '.join(options)}\n"
            yield Query(
                f"{text}A: Among A through {last}, the answer is",
                file.stem,
                choices=tuple(option[3:] for option in options),
            )


def cot(shared: Path, name: str) -> list[str]:
    lines = (shared / f"flan_cot/{name}_train.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[0].replace("\\n", "\n") for line in lines]


def test_planted_copies_of_agieval_are_found(shared: Path) -> None:
    questions = list({query.text: query for query in agieval(shared)}.values())
    some, draw = questions[::9], random.Random(11)
    changes = {shouted: 1.0, embedded: 1.0, reworded: 0.98}
    found = iter(reasons([change(query.text, draw) for change in changes for query in some], questions))
    for change, least in changes.items():
        assert sum(next(found) is not None for _ in some) >= least * len(some), change.__name__


def test_what_flan_and_agieval_really_share_is_found_and_little_else(shared: Path) -> None:
    """AQuA's training split repeats questions of AGIEval's AQuA-RAT; other sets have nothing in common with AGIEval."""
    aqua, others = cot(shared, "aqua"), cot(shared, "gsm8k")[:3000] + cot(shared, "creak")[:3000]
    flags = screened(aqua + others, list(agieval(shared)))
    found = [flag for flag in flags if flag]
    assert {flag.task for flag in found} == {"aqua-rat"}
    assert any("large cakes" in flag.evidence for flag in found)  # 'Assisants are needed to prepare for preparation'
    assert 5 <= len(found) <= 10
    assert not any(flags[len(aqua) :])
