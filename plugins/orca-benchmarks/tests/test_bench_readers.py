"""The readers: what is read out of the replies that models give, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from orca_benchmarks.items import Space
from orca_benchmarks.loading.bbh import TASKS
from orca_benchmarks.reading import first_capital, is_answer, reaches, read

TABLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("replies.yaml").read_text(encoding="utf-8"))
REPLIES = [(task, reply, wanted) for task, rows in TABLE.items() for reply, wanted in rows["replies"]]
TRUNCATED = "(1) We know that Ada is above Bo: (above) ? Ada ? Bo ? (below).\n(2) Combining this with"
OPTIONS = Space("option", ("Ulysses", "Frankenstein", "Lolita", "A Room with a View"))
YES = Space("word", ("Yes", "No"))


def space_of(task: str) -> Space:
    options = TABLE[task].get("options")
    return Space("option", tuple(options)) if options else TASKS[task]


def test_the_table_has_every_task_and_many_replies() -> None:
    assert set(TABLE) == set(TASKS)
    assert len(REPLIES) >= 200
    assert all(len(rows["replies"]) >= 4 for rows in TABLE.values())


@pytest.mark.parametrize(("task", "reply", "wanted"), REPLIES, ids=[f"{t}-{i}" for i, (t, _, _) in enumerate(REPLIES)])
def test_the_robust_reader_reads_what_a_reply_answers(task: str, reply: str, wanted: str | None) -> None:
    assert read(reply, space_of(task)) == wanted


@pytest.mark.parametrize("task", sorted(TABLE))
def test_a_truncated_or_empty_reply_is_never_right(task: str) -> None:
    space = space_of(task)
    for reply in ("", "\n", TRUNCATED, "So the answer is", "The answer is:\n\n", "I cannot answer this."):
        answer = read(reply, space)
        assert answer is None or space.form == "words"
        assert not reaches(answer, space, ["(A)", "Yes", "no", "valid", "True", "8", "] )", "ant bee"])


PAPER = [
    ("Based on the passage, C", "B"),
    ("Based on the passage, the answer is D.", "B"),
    ("First, we note that B holds.", "F"),
    ("Correct is A", "C"),
    ("Definitely B", "D"),
    ("A", "A"),
    ("A careful reader would choose E", "A"),
    ("(B)", "B"),
    ("(b)", None),
    ("**C**", "C"),
    ("The answer is D.", "D"),
    ("the answer is D.", "D"),
    ("A and B are wrong, so C", "A"),
    ("not A but C", "A"),
    ("", None),
    ("   ", None),
    ("none of these", None),
    ("None of these", None),
    ("I do not know", None),
    ("G", None),
    ("G or E", "E"),
    (" C", "C"),
    ("C.", "C"),
    ("C)", "C"),
    ("[D]", "D"),
    ("E: because it follows", "E"),
    ("Option E", "E"),
    ("option f", None),
    ("OPTION A", "A"),
    ("Choice B", "C"),
    ("choice B", "B"),
    ("Yes, D", "D"),
    ("Explanation: it is B", "E"),
    ("Each of them", "E"),
    ("All of them", "A"),
    ("Both A and C", "B"),
    ("Clearly (B)", "C"),
    ("clearly (B)", "B"),
    ("To solve this: D", "D"),
    ("Let x = 3. Then E", "E"),
    ("Since x > 0, F", "F"),
    ("The first option (A)", "A"),
    ("The passage says that Dr. Fox left; (B)", "D"),
    ("42", None),
    ("x = 42, so C", "C"),
    ("\u00c4rger", None),
    ("\nD\n", "D"),
    ("\tE", "E"),
    ("answer: a", None),
    ("Answer: B", "A"),
    ("ANSWER: B", "A"),
    ("> C", "C"),
    ("`B`", "B"),
    ("$\\boxed{E}$", "E"),
    ("\\text{C}", "C"),
    ("It is D", "D"),
    ("It Depends", "D"),
    ("Q: next question\nA: B", "A"),
    ("<D>", "D"),
    ("\u201cB\u201d is right", "B"),
    ("the correct one is C, not B", "C"),
    ("Hence F", "F"),
]


def test_sixty_replies_are_read_as_the_paper_reads_them() -> None:
    assert len(PAPER) >= 60
    assert {reply: first_capital(reply, "ABCDEF") for reply, _ in PAPER} == dict(PAPER)


def test_the_two_readers_differ_where_the_papers_is_known_to_fail() -> None:
    for reply, paper, robust in (
        ("Based on this, the answer is (C).", "B", "C"),
        ("A and B are wrong, so C", "A", "C"),
        ("Answer: D", "A", "D"),
        ("(b)", None, "B"),
    ):
        assert (first_capital(reply, "ABCD"), read(reply, OPTIONS)) == (paper, robust)


JUNK = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<\n"), max_size=80)


@given(JUNK, st.sampled_from("ABCD"), st.sampled_from(["({}).", "{}.", "**{}**", "({})", "{}", "option {}", "[{}]"]))
def test_an_option_that_is_stated_last_is_read_whatever_stands_before(junk: str, letter: str, form: str) -> None:
    assert read(f"{junk}\nSo the answer is {form.format(letter)}", OPTIONS) == letter


@given(JUNK, st.integers(-(10**9), 10**9), st.booleans())
def test_a_number_that_is_stated_last_is_read_whatever_stands_before(junk: str, number: int, commas: bool) -> None:
    written = f"{number:,}" if commas else str(number)
    assert read(f"{junk}\nSo the answer is {written}.", Space("number")) == str(number)


@given(JUNK, st.text(alphabet="()[]{}<>", min_size=1, max_size=12))
def test_brackets_that_are_stated_last_are_read_with_or_without_blanks(junk: str, brackets: str) -> None:
    for written in (brackets, " ".join(brackets)):
        assert read(f"{junk}\nSo the answer is {written}.", Space("brackets")) == brackets


@given(JUNK, st.lists(st.from_regex(r"[a-z]{1,8}('[a-z])?", fullmatch=True), min_size=1, max_size=12))
def test_words_that_are_stated_last_are_read_in_their_order(junk: str, words: list[str]) -> None:
    for separator in (" ", ", "):
        assert read(f"{junk}\nSo the answer is {separator.join(words)}.", Space("words")) == " ".join(words)


@given(st.text(max_size=200), st.sampled_from(sorted(TABLE)))
def test_any_text_at_all_can_be_read(text: str, task: str) -> None:
    answer = read(text, space_of(task))
    assert answer is None or answer


@pytest.mark.parametrize(
    ("target", "space", "answer"),
    [
        ("(B)", OPTIONS, True),
        ("(E)", OPTIONS, False),
        ("B.", YES, False),
        ("Yes", YES, True),
        ("maybe", YES, False),
        ("-12", Space("number"), True),
        ("twelve", Space("number"), False),
        ("12 apples", Space("number"), False),
        ("] )", Space("brackets"), True),
        ("close it", Space("brackets"), False),
        ("ant bee", Space("words"), True),
        ("Monsters, Inc", Space("text"), True),
        ("", Space("text"), False),
    ],
)
def test_a_target_is_told_from_what_is_none(target: str, space: Space, answer: bool) -> None:
    assert is_answer(target, space) is answer


@pytest.mark.parametrize(
    ("reply", "space", "target"),
    [
        ("The answer is Monsters, Inc.", Space("text"), "Monsters, Inc"),
        ("the Broncos", Space("text"), "Broncos"),
        ("The answer is 1,250.", Space("text"), "1250"),
        ("She makes 9 * 2 = $18 every day.\n#### 18", Space("number"), "18"),
        ("So she makes 9 * 2 = $18 every day.", Space("number"), "18"),
        ("<think>maybe (B)</think>\nThe answer is (C).", OPTIONS, "(C)"),
        ("### Answer\n\n(C)", OPTIONS, "(C)"),
        ("Frankenstein", OPTIONS, "(B)"),
        ("The answer is a room with a view.", OPTIONS, "(D)"),
    ],
)
def test_answers_of_other_benchmarks_reach_their_targets(reply: str, space: Space, target: str) -> None:
    assert reaches(read(reply, space), space, [target])


@pytest.mark.parametrize(
    "reply", ["Monsters", "(A)", "The answer is Inc, Monsters.", "the answer is not clear", "Two of them."]
)
def test_answers_that_are_not_the_target_do_not_reach_it(reply: str) -> None:
    assert not reaches(read(reply, Space("text")), Space("text"), ["Monsters, Inc"])
