"""Verdicts on answers: option letters, numbers, texts, and verifiers that a query names."""

from __future__ import annotations

import pytest

from orca_core import Prompt, Query, Trace
from orca_core.verify import AnswerVerifier, Judge, stated_answer

OPTIONS = ("a red ball", "a blue ball", "no ball")


def verdict(text: str, target: str | None, choices: tuple[str, ...] = ()) -> bool | None:
    return AnswerVerifier().verify(Query("q", "t", target=target, choices=choices), text)


@pytest.mark.parametrize(
    "text",
    [
        "Ann starts with (A). After the swap she holds (B).",
        "It can not be (A) or (C). So the answer is (B).",
        "Answer: B",
        "**B**",
        "B) a blue ball",
        "The correct option is B. Not A.",
        "Step 1: they swap.\nThe answer is a blue ball.",
        "A swap follows.\na blue ball",
    ],
)
@pytest.mark.parametrize("target", ["(B)", "B", "a blue ball"])
def test_an_option_is_read_by_letter_or_by_text(text: str, target: str) -> None:
    assert verdict(text, target, OPTIONS) is True
    assert verdict(text, "(C)", OPTIONS) is False


@pytest.mark.parametrize(
    "target", ["b", "b)", "B.", "2", "(2)", "Option B", "option 2", "Sentence B", "(B) a blue ball"]
)
def test_a_target_names_its_option_in_any_of_the_ways_data_sets_have(target: str) -> None:
    assert verdict(f"The first is wrong. The answer is {target}", target, OPTIONS) is True
    assert verdict("Sentence B is it.", target, OPTIONS) is True
    assert verdict("The answer is (C).", target, OPTIONS) is False


def test_options_that_are_numbers_are_named_by_their_text_and_a_label_out_of_range_by_itself() -> None:
    assert verdict("The answer is (B).", "3", ("1", "3", "2")) is True
    assert verdict("The answer is 3.", "3", ("1", "3", "2")) is True
    assert verdict("The answer is (C).", "3", ("1", "3", "2")) is False
    assert verdict("The answer is E.", "E.", OPTIONS) is True


def test_a_sentence_that_begins_with_an_article_states_no_option() -> None:
    assert verdict("A ball is hard to see here.", "(A)", OPTIONS) is False


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("3 + 4 = 7, and 7 * 6 = 42. The answer is 42.", "42"),
        ("The result is 5, so the answer is 1,234.50 dollars, not 3.", "1234.5"),
        ("There are 3 cats and 4 dogs, 7 in all", "7"),
        ("Answer: -8", "-8"),
        ("The answer is \u22128.", "-8"),
        ("It costs $12", "$12"),
    ],
)
def test_a_number_is_compared_as_a_number(text: str, target: str) -> None:
    assert verdict(text, target) is True
    assert verdict(text, "1000001") is False


@pytest.mark.parametrize(
    "text",
    [
        "The answer is Paris.",
        "France's capital.\nParis",
        "paris",
        "So it is: the Paris",
        "Thus the city is **Paris**!",
        "The capital of France is Paris.",
    ],
)
def test_a_text_is_compared_whatever_its_case_articles_and_punctuation(text: str) -> None:
    assert verdict(text, "Paris") is True
    assert verdict(text, "Paris, Texas") is False


@pytest.mark.parametrize(
    "text", ["The capital is not Paris.", "Paris is the capital of France, Lyon is not", "Parisian"]
)
def test_a_text_that_only_mentions_the_target_does_not_reach_it(text: str) -> None:
    assert verdict(text, "Paris") is False


def test_where_an_answer_is_punctuation_it_is_no_decoration() -> None:
    assert verdict("( [ are open. The answer is ] ).", "] )") is True
    assert verdict("( [ are open. The answer is ].", "] )") is False
    said = [Trace(Prompt(Query("q", "t", target="] )")), f"The answer is {text}.", "m") for text in ("] )", "]", ") ]")]
    assert [stated_answer(trace) for trace in said] == ["] )", "]", ") ]"]


def test_an_empty_answer_is_wrong_and_a_query_without_target_has_no_verdict() -> None:
    assert verdict("", "Paris") is False
    assert verdict("", "7") is False
    assert verdict("", "(A)", OPTIONS) is False
    assert verdict("anything", None) is None


def test_a_query_names_its_own_verifier() -> None:
    class Never:
        def verify(self, query: Query, text: str) -> bool:
            return False

    made: list[str] = []

    def make(name: str) -> AnswerVerifier | Never:
        made.append(name)
        return Never() if name == "never" else AnswerVerifier()

    judge = Judge(make)
    plain = Trace(Prompt(Query("q", "t", target="7")), "7", "m")
    own = Trace(Prompt(Query("q", "t", target="7", meta={"verifier": "never"})), "7", "m")
    dead = Trace(Prompt(Query("q", "t", target="7")), "", "m", finish_reason="error", error="too long")
    assert [judge(trace).correct for trace in (plain, own, plain, dead)] == [True, False, True, None]
    assert made == ["answer", "never"], "each verifier is made once"
