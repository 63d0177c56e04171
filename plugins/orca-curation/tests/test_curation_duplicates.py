"""Copies are found, and questions that only look alike are left alone."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_curation import (
    DUPLICATE_PROMPTS,
    DUPLICATES,
    NEAR_DUPLICATE_PROMPTS,
    NEAR_DUPLICATES,
    near_duplicates,
)
from orca_curation.shingles import shingles, words
from pydantic import ValidationError

from orca_core import Prompt, Query, Trace
from orca_core.testing import build, check_selector, make_context

EXACT, NEAR = "exact duplicate", "near duplicate"
SELECTORS = pytest.mark.parametrize("component", [DUPLICATES, NEAR_DUPLICATES], ids=lambda component: component.name)
DUCK = (
    "A farmer keeps ducks in a pond behind the barn and counts every evening how many of them came home before the fox."
)


def prompt(text: str, task: str = "t", system: str = "", **query: Any) -> Prompt:
    return Prompt(Query(text, task, **query), system)


def trace(text: str, response: str = "", **kwargs: Any) -> Trace:
    return Trace(prompt(text, **kwargs), response, model="m")


def verdicts(component: Any, items: Sequence[str | Prompt | Trace], **config: Any) -> list[str | None]:
    """What the selector says of traces with these queries, or of these traces."""
    made = [trace(item) if isinstance(item, str) else item for item in items]
    traces = [Trace(item, "", model="m") if isinstance(item, Prompt) else item for item in made]
    return [reason for _, reason in check_selector(build(component, make_context(Path()), **config), traces)]


def flags(component: Any, prompts: Sequence[Prompt], **config: Any) -> list[tuple[str, str] | None]:
    """Reason and evidence of what the screen says."""
    found = list(build(component, make_context(Path()), **config).screen(iter(prompts), {}))
    assert [prompt for prompt, _ in found] == list(prompts)
    assert all(flag is None or flag.drop for _, flag in found)
    return [flag and (flag.reason, flag.evidence) for _, flag in found]


# --- planted copies


class Planted:
    """500 texts, 500 exact and 500 near copies of them, 500 others and 500 of templates that share up to half of their words."""

    def __init__(self) -> None:
        rng = self.rng = random.Random(0)
        self.vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
        texts = [self.text(rng.randint(20, 60)) for _ in range(500)]
        templates = [self.text(18) for _ in range(25)]
        first = [("text", text) for text in texts]
        others = [("other", self.text(30)) for _ in range(500)]
        others += [("template", templates[i % 25] + self.text(12)) for i in range(500)]
        copies = [("exact", text) for text in texts] + [("near", self.edited(text)) for text in texts]
        rng.shuffle(others)
        rng.shuffle(copies)
        self.rows = [(kind, self.written(text)) for kind, text in first + others + copies]

    def text(self, n: int) -> list[str]:
        return self.rng.choices(self.vocabulary, k=n)

    def written(self, text: list[str]) -> str:
        """With case, blanks and punctuation at random."""
        marks = self.rng.choices(["", "", "", ",", ".", "?"], k=len(text))
        plain = self.rng.choice([" ", "\n", "  "]).join(word + mark for word, mark in zip(text, marks, strict=True))
        return self.rng.choice([plain, plain.upper(), plain.title(), f"“{plain}”"])

    def edited(self, text: list[str], run: int = 3) -> list[str]:
        """With a few words replaced, put in or left out: a Jaccard similarity of 0.8 to 0.95 in runs of so many words."""
        while True:
            edited = list(text)
            for _ in range(self.rng.randint(1, len(text) // 5 if run < 3 else 3)):
                place = self.rng.randrange(len(edited))
                edited[place : place + self.rng.randint(0, 1)] = self.rng.choice([self.text(1), []])
            if 0.8 <= jaccard(text, edited, run) <= 0.95:
                return edited

    def shares(self, reasons: Sequence[str | None]) -> dict[str, float]:
        """The share that is dropped of each kind."""
        dropped = Counter(kind for (kind, _), reason in zip(self.rows, reasons, strict=True) if reason)
        return {kind: dropped[kind] / n for kind, n in Counter(kind for kind, _ in self.rows).items()}


def jaccard(one: Sequence[str], two: Sequence[str], run: int) -> float:
    a, b = (set(zip(*(text[i:] for i in range(run)), strict=False)) for text in (one, two))
    return len(a & b) / len(a | b)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted()


def test_planted_copies_are_found_and_nothing_else(planted: Planted) -> None:
    reasons = verdicts(NEAR_DUPLICATES, [text for _, text in planted.rows])
    shares = planted.shares(reasons)
    assert shares["exact"] == 1.0
    assert shares["near"] >= 0.99
    assert shares["text"] == shares["other"] == shares["template"] == 0
    kinds = {(kind, reason) for (kind, _), reason in zip(planted.rows, reasons, strict=True) if reason}
    assert {("exact", EXACT), ("near", NEAR)} <= kinds


@pytest.mark.parametrize("run", [1, 2])
def test_near_copies_are_found_by_whatever_words_their_similarity_was_measured(run: int) -> None:
    planted = Planted()  # whose random numbers are its own
    texts = [planted.text(planted.rng.randint(20, 60)) for _ in range(500)]
    near = [planted.edited(text, run) for text in texts]
    reasons = verdicts(NEAR_DUPLICATES, [planted.written(text) for text in (*texts, *near)])
    assert reasons[:500] == [None] * 500
    assert sum(reason == NEAR for reason in reasons[500:]) >= 0.97 * 500


def test_the_screen_and_the_selector_agree(planted: Planted) -> None:
    texts = [text for _, text in planted.rows]
    for selector, screen in ((DUPLICATES, DUPLICATE_PROMPTS), (NEAR_DUPLICATES, NEAR_DUPLICATE_PROMPTS)):
        said = flags(screen, [prompt(text) for text in texts])
        assert [flag and flag[0] for flag in said] == verdicts(selector, texts)


def test_planted_exact_copies_are_found_whatever_their_case_blanks_and_punctuation(planted: Planted) -> None:
    shares = planted.shares(verdicts(DUPLICATES, [text for _, text in planted.rows]))
    assert shares == {"text": 0, "other": 0, "template": 0, "near": 0, "exact": 1.0}


@pytest.mark.parametrize("block", [1, 50, 700])
def test_copies_are_found_however_far_they_are_apart(
    planted: Planted, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = planted.rows[::5] if block == 1 else planted.rows
    at_once = verdicts(NEAR_DUPLICATES, [text for _, text in rows])
    monkeypatch.setattr(near_duplicates, "BLOCK", block)
    assert verdicts(NEAR_DUPLICATES, [text for _, text in rows]) == at_once
    assert NEAR in at_once


# --- properties

TEXTS = st.lists(
    st.lists(st.sampled_from(["ab", "cd", "Ef", "7", "(", "é", "犬", "मी", ".", "-"]), max_size=8).map(" ".join),
    max_size=12,
)


@SELECTORS
@given(texts=TEXTS, data=st.data())
def test_a_text_is_a_copy_of_itself_however_it_is_written(
    component: Any, texts: list[str], data: st.DataObject
) -> None:
    write = st.sampled_from(
        [str.upper, str.title, lambda text: f"  {text}\t\n", lambda text: text.replace(" ", "\u3000")]
    )
    again = [data.draw(write)(text) for text in texts]
    reasons = verdicts(component, [*texts, *again])
    assert reasons[len(texts) :] == [EXACT] * len(texts)


@SELECTORS
@given(texts=TEXTS)
def test_the_first_of_its_kind_is_kept(component: Any, texts: list[str]) -> None:
    reasons = verdicts(component, texts)
    first: dict[tuple[str, ...], int] = {}
    for place, text in enumerate(texts):
        seen = first.setdefault(tuple(words(text)) or (text,), place)
        assert (reasons[place] == EXACT) == (seen != place)
    assert not reasons or reasons[0] is None


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_unrelated_texts_around_them_change_nothing(planted: Planted, seed: int) -> None:
    rng = random.Random(seed)
    pairs = [row for row in planted.rows if row[0] in ("text", "near")][::97]
    others = [row for row in planted.rows if row[0] == "other"][:40]
    rng.shuffle(others)
    mixed = list(pairs)
    for other in others:
        mixed.insert(rng.randrange(len(mixed) + 1), other)
    alone = verdicts(NEAR_DUPLICATES, [text for _, text in pairs])
    among = verdicts(NEAR_DUPLICATES, [text for _, text in mixed])
    assert [reason for row, reason in zip(mixed, among, strict=True) if row[0] != "other"] == alone


# --- what is a copy, and what only looks like one


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("What is 12 + 5?", "What is 12 - 5?"),
        ("What is 1.5 times 2?", "What is 15 times 2?"),
        ("What is 1.5 times 2?", "What is 1 5 times 2?"),
        ("What is 5! / 3?", "What is 5 / 3?"),
        ("Close the brackets: ( [ {", "Close the brackets: ( [ <"),
        ("( True and False ) or True is", "True and ( False or True ) is"),
        ("?", "!"),
        ("ありがとう", "ありがたい"),
        ("मैं घर जाता हूँ", "में घर जाता हूँ"),
    ],
)
@SELECTORS
def test_what_a_sign_or_a_letter_tells_apart_is_no_copy(component: Any, one: str, two: str) -> None:
    assert verdicts(component, [one, two]) == [None, None]


@pytest.mark.parametrize(
    "other",
    [
        "What\u2019s  the\ncapital of France",
        "WHATS THE CAPITAL OF FRANCE?",
        "\uff57hat's the capital of\u200b France ?!",
    ],
)
@SELECTORS
def test_apostrophes_widths_and_invisible_characters_make_no_difference(component: Any, other: str) -> None:
    assert verdicts(component, ["What's the capital of France?", other]) == [None, EXACT]


def test_every_character_counts_if_texts_are_compared_exactly() -> None:
    texts = ["if x:\n  y()", "if x:\n    y()", "IF X:\n  Y()", "if x:\n  y()"]
    assert verdicts(DUPLICATES, texts, exactly=True) == [None, None, None, EXACT]
    assert verdicts(DUPLICATES, texts) == [None, EXACT, EXACT, EXACT]


def test_a_word_makes_no_other_question_but_a_number_does() -> None:
    other = DUCK.replace("evening", "morning")
    assert verdicts(NEAR_DUPLICATES, [DUCK, other]) == [None, NEAR]
    assert verdicts(NEAR_DUPLICATES, [f"{DUCK} There were 5.", f"{DUCK} There were 7.", f"{other} There were 7."]) == [
        None,
        None,
        NEAR,
    ]


def test_another_gold_answer_makes_another_question() -> None:
    claims = [DUCK, DUCK.replace("before", "after")]
    asked = [prompt(claim, target=target) for claim, target in zip(claims, ("yes", "no"), strict=True)]
    assert verdicts(NEAR_DUPLICATES, asked) == [None, None]
    assert verdicts(NEAR_DUPLICATES, [replace(p, query=replace(p.query, target="no")) for p in asked]) == [None, NEAR]
    assert verdicts(NEAR_DUPLICATES, [asked[0], replace(asked[0], query=replace(asked[0].query, target="?"))]) == [
        None,
        EXACT,
    ]


def test_questions_about_one_passage_are_no_copies(planted: Planted) -> None:
    passage = " ".join(planted.text(100))
    first, second = (
        "Which animals does the farmer keep behind it",
        "Why would somebody ever want birds near one fox",
    )
    for one, two in ((f"{passage} {first}?", f"{passage} {second}?"), (f"{first}? {passage}", f"{second}? {passage}")):
        assert verdicts(NEAR_DUPLICATES, [one, two]) == [None, None]
        assert verdicts(NEAR_DUPLICATES, [one, two], stretch=None) == [None, NEAR]


def test_questions_of_two_tasks_differ_by_what_they_ask_for_unless_wanted_otherwise() -> None:
    french, korean = (prompt(f"Put this sentence into {name}: {DUCK}", task=name) for name in ("French", "Korean"))
    assert verdicts(NEAR_DUPLICATES, [french, korean]) == [None, None]
    assert verdicts(NEAR_DUPLICATES, [french, korean], across_tasks=True) == [None, NEAR]
    assert verdicts(NEAR_DUPLICATES, [french, replace(french, query=replace(french.query, task="x"))]) == [None, EXACT]


@pytest.mark.parametrize("text", ["", "Yes", "Why not?", "犬"])
@SELECTORS
def test_texts_shorter_than_a_shingle_have_exact_copies_alone(component: Any, text: str) -> None:
    assert verdicts(component, [text, text + "x", text]) == [None, None, EXACT]


def test_near_copies_are_found_in_scripts_without_blanks() -> None:
    text = "次の文章を読んで、作者が最も伝えたいことを一つ選び、その理由を詳しく説明してください。"
    assert verdicts(NEAR_DUPLICATES, [text, text.replace("詳しく", "短く")]) == [None, NEAR]


def test_a_near_copy_is_found_among_a_thousand_questions_of_its_template(planted: Planted) -> None:
    template = " ".join(planted.text(40))
    questions = [f"{template} {' '.join(planted.text(20))}" for _ in range(1500)]
    words_of = [question.split() for question in questions[700:720]]
    copies = [" ".join(["another", *copied[:50], *copied[51:]]) for copied in words_of]
    reasons = verdicts(NEAR_DUPLICATES, [*questions, *copies])
    assert reasons[:1500] == [None] * 1500
    assert reasons[1500:] == [NEAR] * 20


def test_copies_of_a_dropped_text_are_held_against_what_was_kept() -> None:
    first = DUCK.split()
    second = [*first[:3], "white", *first[3:]]
    third = [*second[:15], "then", *second[15:]]
    texts = [" ".join(text) for text in (first, second, third)]
    assert verdicts(NEAR_DUPLICATES, texts, words=3, threshold=0.7) == [None, NEAR, None]
    assert verdicts(NEAR_DUPLICATES, texts[1:], words=3, threshold=0.7) == [None, NEAR]


def test_of_some_variants_of_a_text_one_is_kept(planted: Planted) -> None:
    text = planted.text(30)
    variants = [" ".join([*text[:place], "otherwise", *text[place:]]) for place in (3, 12, 22)]
    others = [" ".join(planted.text(30)) for _ in range(5)]
    assert verdicts(NEAR_DUPLICATES, [others[0], *variants, *others[1:]]) == [
        None,
        None,
        NEAR,
        NEAR,
        None,
        None,
        None,
        None,
    ]


def test_short_inputs_under_a_long_instruction_are_no_copies(planted: Planted) -> None:
    instructions = {task: " ".join(planted.text(80)) for task in ("a", "b")}
    inputs = [(rng_task, " ".join(planted.text(1 + i % 6))) for i in range(300) for rng_task in instructions]
    asked = [prompt(f"{instructions[task]} {text}", task=task) for task, text in dict.fromkeys(inputs)]
    assert verdicts(NEAR_DUPLICATES, asked) == [None] * len(asked)
    assert verdicts(NEAR_DUPLICATES, [asked[0], asked[12]]) == [None, NEAR]  # nothing tells of an instruction


def test_one_input_in_two_templates_of_its_task_is_a_copy(planted: Planted) -> None:
    templates = [" ".join(planted.text(12)) for _ in range(2)]
    inputs = [" ".join(planted.text(25)) for _ in range(40)]
    first = [f"{templates[i % 2]} {text}" for i, text in enumerate(inputs)]
    second = [f"{templates[1 - i % 2]} {text}" for i, text in enumerate(inputs)]
    assert verdicts(NEAR_DUPLICATES, first + second) == [None] * 40 + [NEAR] * 40


def test_the_order_of_the_texts_tells_no_other_templates(planted: Planted) -> None:
    template = " ".join(planted.text(40))
    alike = [f"{template} {' '.join(planted.text(5))}" for _ in range(150)]
    others = [" ".join(planted.text(30)) for _ in range(150)]
    for texts in (alike + others, others + alike):
        assert verdicts(NEAR_DUPLICATES, texts) == [None] * 300


def test_what_has_hardly_anything_beside_its_template_has_exact_copies_alone() -> None:
    rng = random.Random(0)
    texts = {" ".join(rng.choices(["true", "false", "and", "or", "not"], k=8)) for _ in range(300)}
    assert verdicts(NEAR_DUPLICATES, list(texts)) == [None] * len(texts)


# --- what is compared


def test_the_query_counts_whatever_its_task_and_system_message_unless_the_prompt_does() -> None:
    for component, text in ((DUPLICATES, DUCK), (NEAR_DUPLICATES, DUCK.replace("barn", "house"))):
        reason = EXACT if text == DUCK else NEAR
        asked = [prompt(DUCK, system="Be brief."), prompt(text, system="Think."), prompt(text, system="Be brief.")]
        assert verdicts(component, asked, on="query")[1] == reason
        assert verdicts(component, asked, on="prompt") == [None, None, reason]


@SELECTORS
def test_answers_to_one_prompt_stay_together(component: Any) -> None:
    asked = prompt(DUCK)
    answers = [Trace(replace(asked, sample=sample), f"answer {sample}", model="m") for sample in (1, 2, 4)]
    other = trace("Something else that nobody asked before", "x")
    assert verdicts(component, answers) == [None] * 3
    assert verdicts(component, [other, *answers, other, *answers]) == [None] * 4 + [EXACT] * 4


@SELECTORS
def test_a_prompt_twice_in_a_row_is_a_copy(component: Any) -> None:
    asked = prompt(DUCK)
    assert verdicts(component, [asked, asked, replace(asked, sample=1), asked]) == [None, EXACT, EXACT, EXACT]


@SELECTORS
def test_responses_are_compared_one_by_one(component: Any) -> None:
    asked = prompt("Why?")
    samples = [Trace(replace(asked, sample=i), text, model="m") for i, text in enumerate([DUCK, DUCK, "No."])]
    other = trace("Who?", DUCK)
    assert verdicts(component, [*samples, other], on="response") == [None, EXACT, None, EXACT]
    assert verdicts(component, [*samples, other], on="both") == [None, EXACT, None, None]


def test_evidence_is_the_earlier_text() -> None:
    near = DUCK.replace("barn", "house")
    said = flags(NEAR_DUPLICATE_PROMPTS, [prompt("Who is there?"), prompt(DUCK), prompt(near), prompt(DUCK.upper())])
    assert said == [None, None, (NEAR, DUCK), (EXACT, DUCK.upper())]
    long = "word " * 100
    assert flags(DUPLICATE_PROMPTS, [prompt(long), prompt(long)])[1] == (EXACT, ("word " * 23)[:-1] + " ...")


@SELECTORS
def test_every_pass_begins_anew(component: Any) -> None:
    selector = build(component, make_context(Path()))
    for _ in range(2):
        assert [reason for _, reason in selector.select([trace(DUCK), trace(DUCK)])] == [None, EXACT]


def test_a_stricter_threshold_and_longer_shingles_find_less() -> None:
    other = DUCK.replace("evening", "morning")
    assert verdicts(NEAR_DUPLICATES, [DUCK, other], threshold=0.9) == [None, None]
    assert verdicts(NEAR_DUPLICATES, [DUCK, other], words=6) == [None, None]
    assert verdicts(NEAR_DUPLICATES, [DUCK, other], words=1, threshold=0.9) == [None, NEAR]


@pytest.mark.parametrize(
    "config", [{"threshold": 0}, {"threshold": 1.1}, {"words": 0}, {"on": "answer"}, {"treshold": 0.5}]
)
def test_a_config_that_means_nothing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NEAR_DUPLICATES.config(**config)
    with pytest.raises(ValidationError):
        NEAR_DUPLICATE_PROMPTS.config(on="response")


def test_every_process_finds_the_same(planted: Planted, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.write_text("\x00".join(text for _, text in planted.rows), encoding="utf-8")
    script = (
        "import hashlib, sys; from pathlib import Path; from orca_curation import NEAR_DUPLICATES as N;"
        "from orca_core import Prompt, Query, Trace; from orca_core.testing import build, make_context;"
        "texts = Path(sys.argv[1]).read_bytes().decode().split(chr(0));"
        "traces = [Trace(Prompt(Query(text, 't')), '', model='m') for text in texts];"
        "found = [reason for _, reason in build(N, make_context(Path())).select(traces)];"
        "print(hashlib.sha256(repr(found).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, texts], env=environment, capture_output=True, text=True, check=True
    )
    here = verdicts(NEAR_DUPLICATES, [text for _, text in planted.rows])
    assert done.stdout.strip() == hashlib.sha256(repr(here).encode()).hexdigest()


# --- words and shingles


def test_words_are_the_same_whatever_is_between_them() -> None:
    assert words("Don\u2019t “stop”,\tnow: it's 3.5!") == ["dont", "stop", "now", "its", "3.5!"]
    assert words("Don't stop; now (its) 3.5!", symbols=False) == ["dont", "stop", "now", "its", "3", "5"]
    assert words("हिन्दी भाषा 日本 x_1") == ["हिन्दी", "भाषा", "日", "本", "x", "_", "1"]


@given(texts=st.lists(st.lists(st.sampled_from("abc"), max_size=7), max_size=6), size=st.integers(1, 4))
def test_shingles_are_equal_if_and_only_if_their_words_are(texts: list[list[str]], size: int) -> None:
    found = shingles(texts, size)
    runs = [tuple(text[i : i + size]) for text in texts for i in range(len(text) - size + 1)]
    assert len(found.hashes) == len(runs) == found.bounds[-1]
    assert len({*zip(found.hashes.tolist(), runs, strict=True)}) == len(set(runs)) == len(set(found.hashes.tolist()))
    counts = [max(len(text) - size + 1, 0) for text in texts]
    assert (found.bounds[1:] - found.bounds[:-1]).tolist() == counts


# --- real data


def test_few_of_flans_own_questions_are_copies_of_one_another(shared: Path) -> None:
    prompts = []
    for file in sorted(shared.glob("flan_cot/*.tsv")):
        for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"):
            question, target, _ = line.split("\t")
            prompts.append(prompt(question.replace("\\n", "\n"), task=file.stem, target=target))
    reasons = Counter(verdicts(NEAR_DUPLICATES, prompts))
    assert reasons[EXACT] == 4
    assert 35 <= reasons[NEAR] <= 60
