"""Refusals by rules that are data, and bounds on lengths."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from orca_curation import LENGTH, REFUSALS
from orca_curation.refusals import SHIPPED
from orca_curation.rules import Answer, Matcher, read_rules

from orca_core import DataError, Prompt, Query, Trace
from orca_core.records import content_id
from orca_core.testing import build, check_plugin, check_selector, make_context

LABELLED = yaml.safe_load(Path(__file__).with_name("refusals_labelled.yaml").read_text(encoding="utf-8"))
KINDS = [kind for kind in LABELLED if kind not in ("missed", "legitimate")]
CONTEXT = make_context(Path())


def trace(answer: str, query: str = "What is said here?", system: str = "", **fields: Any) -> Trace:
    query_fields = {key: fields.pop(key) for key in ("target", "choices") if key in fields}
    return Trace(Prompt(Query(query, "task", **query_fields), system), answer, "model", **fields)


def labelled(kind: str) -> Iterator[Trace]:
    for item in LABELLED[kind]:
        fields: Mapping[str, Any] = {"answer": item} if isinstance(item, str) else item
        yield trace(**{key: tuple(value) if key == "choices" else value for key, value in fields.items()})


def verdict(answer: str | Trace, **config: Any) -> str | None:
    given = trace(answer) if isinstance(answer, str) else answer
    [(_, reason)] = check_selector(build(REFUSALS, CONTEXT, **config), [given])
    return reason


def test_the_plugin_keeps_the_contract() -> None:
    names = [component.name for component in check_plugin("orca_curation")]
    assert {"refusals", "length", "language", "best-of", "balance"} <= set(names)


def test_the_labelled_answers_are_as_many_as_they_should_be() -> None:
    assert sum(len(LABELLED[kind]) for kind in [*KINDS, "missed"]) == 146
    assert len(LABELLED["legitimate"]) == 132


@pytest.mark.parametrize("kind", KINDS)
def test_every_refusal_is_found_under_its_rule(kind: str) -> None:
    traces = list(labelled(kind))
    wrong = {t.text: reason for t, reason in check_selector(build(REFUSALS, CONTEXT), traces) if reason != kind}
    assert wrong == {}


def test_no_legitimate_answer_is_dropped_although_it_holds_the_open_filters_phrases() -> None:
    verdicts = check_selector(build(REFUSALS, CONTEXT), list(labelled("legitimate")))
    assert {t.text: reason for t, reason in verdicts if reason} == {}


def test_recall_and_false_drops_are_what_the_readme_says() -> None:
    refusals = [t for kind in [*KINDS, "missed"] for t in labelled(kind)]
    found = Counter(bool(reason) for _, reason in check_selector(build(REFUSALS, CONTEXT), refusals))
    assert found == {True: 140, False: 6}
    assert {t.text for t in labelled("missed")} == {
        t.text for t, reason in check_selector(build(REFUSALS, CONTEXT), refusals) if reason is None
    }


@pytest.mark.parametrize("name", read_rules(SHIPPED))
def test_the_quick_look_of_a_shipped_rule_changes_no_verdict(name: str) -> None:
    rule = read_rules(SHIPPED)[name]
    quick, slow = Matcher(rule), Matcher(rule.model_copy(update={"needs": ()}))
    answers = [Answer(t.text) for kind in LABELLED for t in labelled(kind)]
    assert [quick.breaks(answer) for answer in answers] == [slow.breaks(answer) for answer in answers]


def test_the_same_answer_is_a_refusal_where_the_query_does_not_ask_for_it() -> None:
    excused = [t for t in labelled("legitimate") if t.prompt.query.text != "What is said here?"]
    bare = [trace(t.text) for t in excused]
    assert len(excused) == 18
    assert {t.text for t, reason in check_selector(build(REFUSALS, CONTEXT), bare) if reason is None} == set()


def test_a_quotation_mark_in_front_makes_it_somebody_elses_refusal() -> None:
    assert verdict("I'm sorry, but I can't assist with that.") == "refusal"
    assert verdict("\u201cI\u2019m sorry, but I can\u2019t assist with that.\u201d") is None


def test_a_refusal_deep_in_an_answer_is_part_of_a_story() -> None:
    story = "The clerk looked up. " * 10
    assert verdict(f"{story}I'm sorry, but I can't assist with that.") is None


def test_the_version_is_raised_with_the_shipped_rules() -> None:
    known = {1: "795f493d78a03b12"}
    now = content_id(SHIPPED.read_text(encoding="utf-8"))
    assert known.get(REFUSALS.version) == now, f"refusals.yaml changed: raise REFUSALS.version and note {now} here"


def test_single_rules_can_be_switched_off() -> None:
    assert verdict("As an AI, I do not have a favourite colour.") == "self-identification"
    assert verdict("As an AI, I do not have a favourite colour.", off=["self-identification"]) is None


def test_rules_can_be_added_and_replaced_by_config_and_by_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("tired:\n  phrases: [too tired]\nrefusal: {phrases: [nope]}\n")
    assert verdict("I am too  tired.", rules=file) == "tired"
    assert verdict("Tyres are too tiredly made.", rules=file) is None, "phrases are whole words"
    assert verdict("I'm sorry, but I can't assist with that.", rules=file) is None, "replaced"
    assert verdict("Nope.", rules=file) == "refusal"
    assert verdict("Nope.", extra={"no": {"phrases": ["nope"]}}) == "no"


@pytest.mark.parametrize(
    ("rule", "dropped", "kept"),
    [
        ({"phrases": ["well"], "where": "start"}, ["Well, no."], ["No. Well, yes.", "Wells"]),
        ({"phrases": ["well"], "where": "sentence"}, ["No. Well, yes.", "No\nwell"], ["No, well, yes."]),
        ({"phrases": ["well"], "within": 5}, ["Oh, well."], ["No, no, well."]),
        ({"phrases": ["Well"], "case": True}, ["Well"], ["well"]),
        ({"phrases": ["well"], "prefix": "not "}, ["not well"], ["well"]),
        ({"patterns": [r"\d well"], "unless": ["done"]}, ["3 wells"], ["3 well done", "3 wells are done."]),
        ({"phrases": ["well"]}, ["Oh, well!"], ["A swell", "A wellness"]),
        ({"phrases": ["c++ (new)"]}, ["In C++ (new)"], ["In cc new"]),
        ({"phrases": ["a b"]}, ["A\n  b"], ["ab"]),
        ({"phrases": ["well"], "needs": ["water"]}, ["A well of WATER"], ["A well"]),
    ],
)
def test_a_rule_means_what_its_keys_say(rule: dict[str, Any], dropped: list[str], kept: list[str]) -> None:
    config: dict[str, Any] = {"extra": {"mine": rule}, "off": list(read_rules(SHIPPED))}
    assert [verdict(text, **config) for text in dropped] == ["mine"] * len(dropped)
    assert [verdict(text, **config) for text in kept] == [None] * len(kept)


def test_the_example_of_the_readme_is_a_file_of_rules(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    file = tmp_path / "rules.yaml"
    file.write_text(readme.split("```yaml\n")[1].split("```")[0])
    assert [verdict(text, rules=file) for text in ("Wow, well.", "Hooray, I quote.", "It is!!!")] == [
        "shouting",
        None,
        None,
    ]


def test_an_excuse_in_another_sentence_is_none() -> None:
    rule = {"patterns": ["well"], "unless": ["done"]}
    assert verdict("A well. It is done.", extra={"mine": rule}) == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a:\n  phrases: [x]\nbad:\n  patterns: ['(']\n",
            ":3: rule 'bad': '(' is no regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("bad:\n  phrase: [x]\n", ":1: rule 'bad': phrase: unknown key; did you mean 'phrases'?"),
        ("bad:\n  where: start\n", ":1: rule 'bad': the rule has neither phrases nor patterns; give it some"),
        ("bad:\n  patterns: ['x*']\n", ":1: rule 'bad': 'x*' matches the empty text, and so every text"),
        ("bad:\n  phrases: [x]\n  where: end\n",
         ":1: rule 'bad': where: Input should be 'start', 'sentence' or 'anywhere'"),
        (
            "bad:\n  prefix: y\n  patterns: ['(?i)x']\n",
            ":1: rule 'bad': '(?:y)(?:(?i)x)' is no regular expression: "
            "global flags not at the start of the expression at position 8",
        ),
        ("? [a, b]\n: x\n", ":1: malformed YAML: found unhashable key"),
        ("a: \x00\n", ': malformed YAML: unacceptable character #x0000: special characters are not allowed in "<unicode string>", '
         "position 3"),
        ("bad: x\n", ":1: rule 'bad': Input should be a valid dictionary or instance of Rule"),
        ("a:\n  phrases: [x]\na:\n  phrases: [y]\n", ":3: rule 'a' is there twice"),
        ("1:\n  phrases: [x]\n", ":1: rule '1' is no text; put it in quotation marks"),
        ("- x\n", ": must hold rules by their ids, as in 'my-rule: {phrases: [...]}'"),
        ("a: [\n", ":2: malformed YAML: expected the node content, but found '<stream end>'"),
        ("", ": must hold rules by their ids, as in 'my-rule: {phrases: [...]}'"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_named_with_its_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        build(REFUSALS, CONTEXT, rules=file)
    assert str(error.value) == f"{file}{message}"


def test_a_file_of_rules_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read: No such file"):
        build(REFUSALS, CONTEXT, rules=tmp_path / "none.yaml")


def test_a_rule_to_switch_off_must_exist() -> None:
    with pytest.raises(ValueError, match="no rule is called 'refusals'; did you mean 'refusal'"):
        REFUSALS.config(off=["refusals"])


def test_no_explanation_or_answer_that_people_wrote_is_a_refusal(shared: Path) -> None:
    lines = [line for file in sorted(shared.glob("flan_cot/*.tsv")) for line in file.read_text("utf-8").split("\n")]
    cells = [line.replace("\\n", "\n").split("\t") for line in lines if line.count("\t") == 2]
    rows = [json.loads(line) for line in (shared / "niv2_examples.jsonl").read_text("utf-8").splitlines()]
    given = [trace(why, query, target=gold) for query, gold, why in cells[::3]]
    given += [trace(row["output"], f"{row['definition']}\n{row['input']}", target=row["output"]) for row in rows]
    verdicts = check_selector(build(REFUSALS, CONTEXT), given)
    assert len(verdicts) > 12_000
    assert {t.text: reason for t, reason in verdicts if reason} == {}


def lengths(*traces: Trace, **config: Any) -> list[str | None]:
    return [reason for _, reason in check_selector(build(LENGTH, CONTEXT, **config), traces)]


def test_lengths_are_bounded_with_both_ends_included() -> None:
    five = {"answer_chars": {"min": 2, "max": 5}, "short_without_message": False}
    assert lengths(*map(trace, ["a", " a ", "ab", "abcde", "abcdef"]), **five) == [
        "answer too short",
        "answer too short",
        None,
        None,
        "answer too long",
    ]


def test_under_the_empty_message_a_short_answer_is_kept_as_openorca_kept_it() -> None:
    short = [trace("No."), trace("No.", system="Explain."), trace("No, it is not.", system="Explain.")]
    assert lengths(*short) == [None, "answer too short", None]
    assert lengths(*short, short_without_message=False) == ["answer too short", "answer too short", None]


def test_words_and_tokens_have_bounds_of_their_own_and_unknown_tokens_none() -> None:
    words = {"answer_chars": {}, "answer_words": {"max": 2}}
    assert lengths(trace("a b"), trace("a b\nc"), **words) == [None, "answer too long"]
    tokens = {"answer_tokens": {"min": 3, "max": 4}}
    known = [trace("0123456789", completion_tokens=n, system="s") for n in (2, 3, 4, 5, None)]
    assert lengths(*known, **tokens) == ["answer too short", None, None, "answer too long", None]


def test_prompts_have_bounds_too() -> None:
    asked = [trace("0123456789", "12345"), trace("0123456789", "12345", "6"), trace("0123456789", "1", prompt_tokens=9)]
    assert lengths(*asked, prompt_chars={"max": 5}, prompt_tokens={"max": 8}) == [
        None,
        "prompt too long",
        "prompt too long",
    ]


def test_bounds_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="min 5 is above max 3"):
        LENGTH.config(answer_chars={"min": 5, "max": 3})
