"""What a writer may reply: conditions, hypotheses, pages. What is not one of these is refused with a reason."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orca_skillgen.conditions import Condition, parse
from orca_skillgen.skill import SECTIONS, WORD_LIMIT, MalformedError, read
from orca_skillgen.writing import Hypothesis, read_hypotheses

from orca_core import Prompt, Query

BODY = "\n\n".join(f"## {title}\nText of it." for title in SECTIONS)
PAGE = f"---\nname: long-sums\ndescription: How to add\nwhen: digits >= 4\n---\n\n{BODY}\n"
TESTS = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["words", "numbers", "digits"]),
        st.sampled_from([">=", "<="]),
        st.integers(0, 999_999),
    ),
    st.builds("mentions {}".format, st.text("abcdefgh", min_size=1)),
)


@pytest.mark.parametrize(
    ("condition", "holds", "fails"),
    [
        ("always", "", None),
        ("digits >= 4", "Add 1,234 and 5.", "Add 123 and 5."),
        ("numbers <= 1", "Is 7 prime?", "Is 7 more than 5?"),
        ("words >= 3 and mentions prime", "Is it prime?", "Is it primes?"),
        ('mentions "Prime"', "PRIME or not", "composite"),
    ],
)
def test_a_condition_reads_the_question(condition: str, holds: str, fails: str | None) -> None:
    assert parse(condition)(holds)
    assert fails is None or not parse(condition)(fails)


@given(st.lists(TESTS, min_size=1, max_size=3))
def test_a_condition_that_is_written_out_is_read_as_the_same(tests: list[str]) -> None:
    condition = parse(" and ".join(tests))
    assert parse(str(condition)) == condition == Condition(tuple(tests))


@given(st.text())
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("digit >= 4", "did you mean 'digits'"),
        ("digits > 4", "allowed is `always`"),
        ("words >= 1 and words >= 2 and words >= 3 and words >= 4", "at most 3"),
        ("", "no condition"),
        ("__import__('os')", "no condition"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse(text)


def test_a_page_is_read_and_written_alike() -> None:
    skill = read(PAGE)
    assert skill.markdown == PAGE
    assert read(f"```markdown\n{PAGE}```") == skill


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("---\nname", "name", "front matter"),
        ("when: digits >= 4\n", "", "it must have name, description, when"),
        ("when: digits >= 4", "when: long ones", "when: no condition"),
        ("name: long-sums", "name: Long Sums!", "small letters"),
        ("description: How to add", "description:", "description: is empty"),
        ("name: long-sums", "name: a\nname: b", "it must have"),
        ("## What works\n", "## What worked\n", "the sections are"),
        ("## What works\nText of it.", "## What works\n", "is empty"),
        ("\n## When it applies", "\nHere it is:\n\n## When it applies", "nothing before them"),
        ("Text of it.", "word " * (WORD_LIMIT + 1), "at most 600"),
    ],
)
def test_a_page_that_is_not_one_is_refused(old: str, new: str, complaint: str) -> None:
    assert old in PAGE
    with pytest.raises(MalformedError, match=complaint):
        read(PAGE.replace(old, new, 1))


@given(st.text() | st.text().map(lambda text: PAGE.replace("How to add", text)) | st.text().map(lambda t: PAGE + t))
def test_any_reply_is_a_page_or_malformed(text: str) -> None:
    try:
        skill = read(text)
    except MalformedError:
        return
    assert read(skill.markdown) == skill


def test_a_page_goes_after_the_prompts_own_message_and_only_where_it_applies() -> None:
    skill = read(PAGE)
    long, short = Query("1234 + 1", "sums"), Query("1 + 1", "sums")
    assert skill.dress(Prompt(long, "Be brief.")).system == f"Be brief.\n\n{BODY}"
    assert skill.dress(Prompt(long)).system == BODY
    assert skill.dress(Prompt(short, "Be brief.")) == Prompt(short, "Be brief.")
    assert skill.dress(Prompt(long, decoding={"raw": True})).system == "", "raw text has no place for it"


def test_hypotheses_are_read_with_their_conditions_in_one_spelling() -> None:
    rows = [{"when": "digits>=4", "do": " carry ", "avoid": ""}]
    assert read_hypotheses(f"```json\n{json.dumps(rows)}\n```") == [Hypothesis("digits >= 4", "carry", "")]
    assert read_hypotheses("[]") == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Sure! Here they are: []", "not JSON"),
        ("{}", "not a list"),
        ('[{"when": "always", "do": "x"}]', "an object of the texts"),
        ('[{"when": "always", "do": 1, "avoid": ""}]', "an object of the texts"),
        ('[{"when": "often", "do": "x", "avoid": ""}]', "when: no condition"),
        ('[{"when": "always", "do": " ", "avoid": ""}]', "neither"),
        (json.dumps([{"when": "always", "do": "x", "avoid": ""}] * 7), "at most 6"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_are_no_hypotheses_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(MalformedError, match=complaint):
        read_hypotheses(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_is_hypotheses_or_malformed(value: object) -> None:
    with suppress(MalformedError):
        assert read_hypotheses(json.dumps(value)) == []
