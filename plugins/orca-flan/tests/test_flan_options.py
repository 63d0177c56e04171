"""Options in the texts of questions: found in every shape that FLAN writes them in, and nowhere else."""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orca_flan.sources.options import options_of, parse_options

from orca_core.verify import gold_option

ABC = ("one apple", "2 pears", "no fruit.")


@pytest.mark.parametrize(
    "text",
    [
        "Which?\nOPTIONS:\n- one apple\n- 2 pears\n- no fruit.",
        "Which?\nOptions:\n- one apple\n- 2 pears\n- no fruit.\n\nLet us see.",
        "Which?\nOptions:\n(A) one apple\n(B) 2 pears\n(C) no fruit.",
        "Which?\nOptions:\n- (A) one apple\n- (B) 2 pears\n- (C) no fruit.\n",
        "Available options: (1) one apple (2) 2 pears (3) no fruit.",
        "Choose from the following:\n(i) one apple\n(ii) 2 pears\n(iii) no fruit.",
        "Pick from: a). one apple; b). 2 pears; c). no fruit.",
        "Possible answers:\n[A]. one apple\n[B]. 2 pears\n[C]. no fruit.",
        "Choices:\n  I. one apple\n  II. 2 pears\n  III. no fruit.",
        "Options: a ) one apple , b ) 2 pears , c ) no fruit.",
        "Options: [A. one apple, B. 2 pears, C. no fruit.]",
        "Answer choices are:\n+ one apple\n+ 2 pears\n+ no fruit.",
        "Which? (A) one apple (B) 2 pears (C) no fruit.",
        "Which?\n(A)one apple (B)2 pears (C)no fruit.",
        "Which?\n\nOption A:one apple\n\n Option B: 2 pears\n\n Option C: no fruit.\n",
        "Which?\nChoice 1: one apple\nChoice 2: 2 pears\nChoice 3: no fruit.",
        "He asked (A) nothing. Options: none yet. Which? (A) one apple (B) 2 pears (C) no fruit.",
    ],
)
def test_options_are_read_without_their_labels(text: str) -> None:
    assert parse_options(text) == ABC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is 2 + 2?",
        "Buy:\n- milk\n- eggs",
        "Sentence 1: He left. Sentence 2: She stayed. Which is sad?",
        "The parties, (A) the Buyer and (B) the Seller, agree.\nIs this a contract?",
        "1. Stir.\n2. Bake.\n3. Serve.",
        "Premise: a) is b).\nWhat follows?",
        "We have many options: we may go.",
        "There are two options.\n- stay",
        "Options:\n- the only one",
        "Options:",
        "Grade the essay (A) or (C).",
    ],
)
def test_an_ordinary_list_is_no_options(text: str) -> None:
    assert parse_options(text) == ()


def test_options_count_only_if_the_target_is_one_of_them() -> None:
    text = "Which is red?\nOptions: (A) a rose (B) the sea\nAnswer: A"
    assert options_of(text, None) == options_of(text, "B") == options_of(text, "the sea") == ("a rose", "the sea")
    assert options_of(text, "A rose is red. So the final answer is (A).") == ("a rose", "the sea")
    assert options_of(text, "Yes") == options_of(text, "C") == ()


WORDS = st.text(st.sampled_from("bcdefgh xyz,'"), min_size=1, max_size=30).filter(lambda s: s.strip(" ,;") == s != "")
OPTIONS = st.lists(WORDS, min_size=2, max_size=10).map(tuple)
LABELS = st.sampled_from([ascii_uppercase, ascii_lowercase, [str(n) for n in range(1, 27)]])
FRAMES = st.sampled_from(["({})", "[{}]", "{})", "{}.", "{}:", "Option {}:"])


@given(OPTIONS, st.sampled_from("-*+\u2022"), st.sampled_from(["OPTIONS:\n", "Options:\n", "Choices are:\n"]))
def test_bulleted_options_are_read_back(options: tuple[str, ...], bullet: str, heading: str) -> None:
    assert parse_options("Q?\n" + heading + "\n".join(f"{bullet} {option}" for option in options)) == options


@given(OPTIONS, LABELS, FRAMES, st.sampled_from(["", "- "]))
def test_labelled_options_are_read_back_and_named_by_their_labels(
    options: tuple[str, ...], labels: list[str], frame: str, bullet: str
) -> None:
    lines = [f"{bullet}{frame.format(label)} {option}" for label, option in zip(labels, options, strict=False)]
    assert parse_options("Q?\n\nOptions:\n" + "\n".join(lines) + "\n\nAnswer:") == options
    if options[0] not in options[1:] and len(options[0]) > 2:
        assert gold_option(options[0], options) == 0


@given(st.text(max_size=300))
def test_any_text_can_be_looked_through(text: str) -> None:
    options = parse_options(text)
    assert len(options) != 1
    assert all(option.strip() and option in text for option in options)
