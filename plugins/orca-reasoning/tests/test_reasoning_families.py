"""Every family: what it asks, what it answers, and that its explanations are true and readable."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_reasoning.families import FAMILIES, Family, recognise
from orca_reasoning.families.placing import Clue, Fixed, Ordered, conclude, count_orders
from orca_reasoning.styles import MESSAGES, style_of, write

sys.path.insert(0, str(Path(__file__).parent))
from reasoning_oracles import oracle

FAMILY = st.sampled_from(sorted(FAMILIES))
STYLES = ("answer", "brief", "explained")


@st.composite
def asked(draw: st.DrawFn) -> tuple[Family, int, int]:
    family = FAMILIES[draw(FAMILY)]
    return family, draw(st.integers(*family.limits)), draw(st.integers(0, 2**32))


@settings(max_examples=400, deadline=None)
@given(asked())
def test_the_solver_reads_the_generators_questions_and_agrees_with_a_second_opinion(
    case: tuple[Family, int, int],
) -> None:
    family, size, seed = case
    item = family.generate(Random(seed), size)
    solution = family.solve(item.text)
    assert solution is not None
    assert family.normalise(solution.answer) == family.normalise(item.target)
    assert oracle(family.name)(item.text) == item.target  # type: ignore[operator]


@settings(max_examples=200, deadline=None)
@given(asked())
def test_every_style_ends_in_the_answer_that_the_extractor_reads(case: tuple[Family, int, int]) -> None:
    family, size, seed = case
    item = family.generate(Random(seed), size)
    solution = family.solve(item.text)
    assert solution is not None
    texts = [write(solution, style) for style in STYLES]
    assert all(family.extract(item.text, text) == family.normalise(item.target) for text in texts)
    assert all(family.verify(item.text, text, item.target) for text in texts)
    assert len({text.rsplit("The answer is", 1)[1] for text in texts}) == 1
    assert texts[0] == f"The answer is {solution.answer}."


@settings(max_examples=200, deadline=None)
@given(asked())
def test_a_question_is_recognised_as_one_of_its_own_family(case: tuple[Family, int, int]) -> None:
    family, size, seed = case
    known = recognise(family.generate(Random(seed), size).text)
    assert known is not None
    assert known[0] is family


@settings(max_examples=50, deadline=None)
@given(asked())
def test_the_same_stream_gives_the_same_item(case: tuple[Family, int, int]) -> None:
    family, size, seed = case
    assert family.generate(Random(seed), size) == family.generate(Random(seed), size)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_harder_items_of_a_family_take_more_work(name: str) -> None:
    family, rng = FAMILIES[name], Random(1)
    low, high = family.limits
    easy, hard = (
        sum(len(write(family.solve(family.generate(rng, size).text), "explained")) for _ in range(40))  # type: ignore[arg-type]
        for size in (low, high)
    )
    assert easy < hard


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 24), st.integers(0, 2**32))
def test_every_equation_of_an_arithmetic_explanation_holds(size: int, seed: int) -> None:
    family = FAMILIES["multistep_arithmetic_two"]
    solution = family.solve(family.generate(Random(seed), size).text)
    assert solution is not None
    equations = [sides for step in solution.steps for sides in re.findall(r"([^:]+) = ([^=]+)\.", step)]
    assert equations
    assert all(eval(left) == eval(right) for left, right in equations), solution.steps


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 24), st.integers(0, 2**32))
def test_every_line_of_a_boolean_chain_has_the_value_of_the_whole(size: int, seed: int) -> None:
    family = FAMILIES["boolean_expressions"]
    item = family.generate(Random(seed), size)
    solution = family.solve(item.text)
    assert solution is not None
    lines = solution.steps[0].removesuffix(".").split(" = ")
    assert {str(eval(line)) for line in lines} == {item.target}
    assert [len(line.split()) for line in lines] == sorted((len(line.split()) for line in lines), reverse=True)


@pytest.mark.parametrize(
    ("family", "text", "response", "read"),
    [
        ("navigate", "", "So it is **Yes**. The answer is: **Yes**", "yes"),
        ("navigate", "", "the answer is no.", "no"),
        ("navigate", "", "The answer is Yes. I hope this helps.\nBye", "yes"),
        ("navigate", "", "The answer is No. Wait. The answer is Yes.", "yes"),
        ("navigate", "", "The answer is maybe.", None),
        ("navigate", "", "Yes", None),
        ("object_counting", "", "The answer is 12.", "12"),
        ("object_counting", "", "The answer is twelve.", None),
        ("object_counting", "", "The answer is", None),
        ("multistep_arithmetic_two", "", "-3 - 4 = -7. The answer is -7.", "-7"),
        ("multistep_arithmetic_two", "", "The answer is - 7 - .", None),
        ("dyck_languages", "", "The answer is ] >.", "]>"),
        ("dyck_languages", "", "The answer is [ <.", None),
        ("word_sorting", "", "The answer is ant Bee  cat.", "ant bee cat"),
        ("temporal_sequences", "Options:\n(A) 1pm to 2pm\n(B) 2pm to 3pm", "The answer is (B).", "(b)"),
        ("temporal_sequences", "Options:\n(A) 1pm to 2pm\n(B) 2pm to 3pm", "The answer is (C).", None),
    ],
)
def test_the_extractor_reads_the_last_answer_of_the_right_form(
    family: str, text: str, response: str, read: str | None
) -> None:
    assert FAMILIES[family].extract(text, response) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "What is the capital of France?",
        "True or is",
        "( True is",
        "((1 + 2) = ",
        "1 + + =",
        "Question: Ada lies. Bo says Cy lies. Does Bo tell the truth?",
        "I have a unicorn, and a chair. How many objects do I have?",
        "Complete the rest of the sequence, making sure that the parentheses are closed properly. Input: ( ]",
        "Complete the rest of the sequence, making sure that the parentheses are closed properly. Input: ( )",
    ],
)
def test_a_question_that_cannot_be_answered_is_not_recognised(text: str) -> None:
    assert recognise(text) is None


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        ("The owl is the leftmost.", "open"),
        ("The owl is to the left of the crow. The crow is to the left of the owl.", "torn"),
    ],
)
def test_a_deduction_without_exactly_one_order_is_not_recognised(statements: str, kind: str) -> None:
    text = (
        "The following paragraphs each describe a set of three objects arranged in a fixed order. The statements are "
        "logically consistent within each paragraph. On a branch, there are three birds: an owl, a crow, and a robin. "
        f"{statements}\nOptions:\n(A) The owl is the leftmost\n(B) The crow is the leftmost\n(C) The robin is the leftmost"
    )
    assert recognise(text) is None, kind


def test_or_waits_for_an_and_to_its_left() -> None:
    solution = FAMILIES["boolean_expressions"].solve("( False or False ) and True or True is")
    assert solution is not None
    assert solution.answer == "True"


def test_navigation_is_explained_by_true_positions() -> None:
    text = (
        "If you follow these instructions, do you return to the starting point? Turn right. Take 3 steps. Turn around. "
    )
    solution = FAMILIES["navigate"].solve(f"{text}Take 5 steps. Turn left. Take 2 steps.\nOptions:\n- Yes\n- No")
    assert solution is not None
    positions = re.findall(r"(\w+): x (-?\d+) y (-?\d+)", " ".join(solution.steps))
    assert positions == [("right", "3", "0"), ("left", "-2", "0"), ("backward", "-2", "-2")]
    assert solution.brief == "3 right, 5 left, 2 backward: x -2 y -2."


def test_products_of_long_factors_are_worked_out_place_by_place() -> None:
    solution = FAMILIES["multistep_arithmetic_two"].solve("((9 * 6) * (3 * -8)) =")
    assert solution is not None
    assert solution.steps == (
        "9 * 6 = 54.",
        "3 * -8 = -24.",
        "54 * 24: 50 * 20 + 50 * 4 + 4 * 20 + 4 * 4 = 1000 + 200 + 80 + 16.",
        "1000 + 200 = 1200.",
        "1200 + 80 = 1280.",
        "1280 + 16 = 1296.",
        "54 * -24 = -1296.",
    )


@settings(max_examples=300, deadline=None)
@given(st.permutations("abcdef"), st.integers(0, 2**32))
def test_whatever_clues_leave_one_order_lead_to_it(order: list[str], seed: int) -> None:
    rng = Random(seed)
    clues: list[Clue] = [Fixed(thing, i + 1) for i, thing in enumerate(order)]
    clues = rng.sample(clues, rng.randint(0, 4))
    clues += [Ordered(a, b) for i, a in enumerate(order) for b in order[i + 1 :] if rng.random() < 0.5]
    rng.shuffle(clues)
    concluded = conclude(sorted(order), clues)
    assert (concluded is None) == (count_orders(order, clues) > 1)
    if concluded:
        assert sorted(concluded, key=lambda c: c.place) == [Fixed(thing, i + 1) for i, thing in enumerate(order)]


@pytest.mark.parametrize("asked", ["answer", "brief", "explained"])
def test_our_own_system_messages_ask_for_their_style(asked: str) -> None:
    message = MESSAGES[asked]  # type: ignore[index]
    assert style_of(message) == asked
    assert style_of(f"  {message.upper()} \n") == asked


@pytest.mark.parametrize(
    ("message", "style"),
    [
        ("", "explained"),
        ("You are a teacher.", "explained"),
        ("You are an AI assistant. Provide a detailed answer so user don't need to search outside.", "explained"),
        ("While performing the task think step-by-step and justify your steps.", "explained"),
        ("Be concise.", "brief"),
        ("Reply with the final answer only, no explanation.", "answer"),
    ],
)
def test_other_system_messages_are_read_by_their_cues(message: str, style: str) -> None:
    assert style_of(message) == style
