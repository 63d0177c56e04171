"""System messages: the shares of the paper's Fig. 6, the rule for multiple-choice messages, and copies of a text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orca_core import Prompt, Query
from orca_core.errors import UserError
from orca_core.messages import Message, Messages, gaps, letters, multiple_choice_shares
from orca_core.pairing import PairedConfig, PairedSampler
from orca_core.tables import read_prompts

PRESETS = Path(__file__).resolve().parents[1] / "conf/system_messages"
COLLECTIONS = {"cot": 0.0295, "niv2": 0.0864, "t0": 0.3929, "flan2021": 0.4912}
"""Shares of the paper's 5.09M queries."""
FIG6 = {
    "cot": dict.fromkeys((6, 11, 16), 1 / 3),
    "niv2": dict.fromkeys((1, 2, 5, 7, 9, 12, 13, 14, 15), 1 / 9),
    "t0": dict.fromkeys((1, 2, 3, 5, 7), 1 / 5),
    "flan2021": {3: 0.25, 4: 0.25, 7: 0.25, 8: 0.125, 10: 0.125},
}
WORDS = (0, 20, 19, 19, 16, 25, 34, 37, 12, 43, 35, 29, 31, 50, 69, 10)
"""Of the paper's messages 1 to 16."""
N = 200_000


def preset(name: str) -> dict[str, Message]:
    nodes = yaml.safe_load((PRESETS / f"{name}.yaml").read_text(encoding="utf-8"))
    return {key: Message.model_validate(node) for key, node in nodes.items()}


def queries(q: float, n: int = N) -> list[Query]:
    """As many of each collection as the paper has, q of them multiple-choice; every text once."""
    return [
        Query(f"{i}", name, name, choices=("a", "b") if i % 1000 < 1000 * q else ())
        for name, share in COLLECTIONS.items()
        for i in range(round(share * n))
    ]


def paired(messages: Mapping[str, Message], asked: Sequence[Query], seed: int = 0) -> list[tuple[Query, str]]:
    """Every query with the id of its message."""
    give = Messages(messages, multiple_choice_shares(asked), seed)
    ids = {message.text: name for name, message in messages.items()}
    assert len(ids) == len(messages)
    return [(query, ids[give(query)]) for query in asked]


@dataclass(frozen=True)
class Listed:
    """A sampler of given prompts."""

    prompts: Sequence[Prompt]

    def sample(self) -> Iterator[Prompt]:
        return iter(self.prompts)


def within(count: int, n: int, share: float, sigmas: float = 3) -> bool:
    return abs(count - n * share) <= sigmas * (n * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("q", [0.625, 0.4])
def test_every_message_has_its_share_of_figure_6_whatever_the_share_of_multiple_choice(q: float) -> None:
    asked = queries(q)
    counts = Counter((query.collection, name) for query, name in paired(preset("orca"), asked))
    sizes = Counter(query.collection for query in asked)
    expected = {(c, f"m{number:02}"): share for c, shares in FIG6.items() for number, share in shares.items()}
    assert counts.keys() == expected.keys()
    missed = {key: counts[key] for key, share in expected.items() if not within(counts[key], sizes[key[0]], share)}
    assert not missed
    for number in range(1, 17):
        name = f"m{number:02}"
        share = sum(COLLECTIONS[c] * shares.get(number, 0) for c, shares in FIG6.items())
        assert within(sum(count for key, count in counts.items() if key[1] == name), len(asked), share), name


def test_at_the_papers_share_of_multiple_choice_all_messages_that_fit_are_equally_likely() -> None:
    of_flan = [pair for pair in paired(preset("orca"), queries(0.625)) if pair[0].collection == "flan2021"]
    for options, names in [(True, ("m03", "m04", "m07", "m08", "m10")), (False, ("m03", "m04", "m07"))]:
        counts = Counter(name for query, name in of_flan if query.multiple_choice is options)
        assert counts.keys() == set(names)
        assert all(within(counts[name], counts.total(), 1 / len(names)) for name in names)


def test_too_few_multiple_choice_queries_all_get_messages_of_their_own() -> None:
    asked = [query for query in queries(0.1, 20_000) if query.collection == "flan2021"]
    got = paired(preset("orca"), asked)
    assert {name for query, name in got if query.multiple_choice} == {"m08", "m10"}
    counts = Counter(name for query, name in got if not query.multiple_choice)
    assert all(within(counts[name], counts.total(), 1 / 3) for name in ("m03", "m04", "m07"))


SHARES = st.floats(0, 1) | st.sampled_from([0.0, 5e-324, 1e12])
MESSAGES = st.dictionaries(
    st.text(max_size=2),
    st.builds(
        Message,
        text=st.text(max_size=3),
        shares=st.dictionaries(st.sampled_from(["a", "b", "*"]), SHARES),
        multiple_choice=st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, derandomize=True)
@given(MESSAGES, st.sampled_from(["a", "b", "c"]), st.floats(0, 1), st.integers(0, 9))
def test_a_message_for_multiple_choice_goes_to_no_other_question_and_no_message_goes_where_it_has_no_share(
    messages, collection, q, seed
) -> None:
    if gaps(messages, [collection]):
        with pytest.raises(UserError, match=f"for collection '{collection}'"):
            Messages(messages, {collection: q}, seed)
        return
    give = Messages(messages, {collection: q}, seed)
    named = any(collection in message.shares for message in messages.values())
    usable = [m for m in messages.values() if m.shares.get(collection if named else "*", 0) > 0]
    for i in range(20):
        assert give(Query(str(i), "t", collection)) in {m.text for m in usable if not m.multiple_choice}
        assert give(Query(str(i), "t", collection, choices=("x",))) in {m.text for m in usable}


def test_a_querys_message_depends_on_no_order_and_on_no_process() -> None:
    asked = queries(0.5, 300)
    here = {query.id: name for query, name in paired(preset("orca"), asked)}
    backwards = dict(reversed(preset("orca").items()))
    assert {query.id: name for query, name in paired(backwards, asked[::-1])} == here
    assert {query.id: name for query, name in paired(preset("orca"), asked, seed=1)} != here
    got = "t.paired(t.preset('orca'), t.queries(0.5, 300))"
    script = f"import json, test_messages as t; print(json.dumps({{q.id: n for q, n in {got}}}))"
    for hash_seed in "12":
        env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parent)}
        there = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
        assert json.loads(there.stdout) == here


def test_a_translated_message_goes_to_the_same_queries() -> None:
    english = preset("orca")
    german = english | {"m04": english["m04"].model_copy(update={"text": "Erkläre alles wie für ein Kind."})}
    asked = queries(0.5, 1000)
    assert paired(german, asked) == paired(english, asked)


def test_the_sixteen_have_the_papers_lengths_and_roles_and_words_of_their_own() -> None:
    messages = preset("orca")
    assert list(messages) == [f"m{number:02}" for number in range(1, 17)]
    for message, words in zip(messages.values(), WORDS, strict=True):
        assert abs(len(message.text.split()) - words) <= 2
    assert [name for name, message in messages.items() if message.multiple_choice] == ["m08", "m10"]
    assert [line.split()[0] for line in messages["m15"].text.splitlines()[1:]] == ["Part", "Usage:"]
    tied_to_definitions = {"m09", "m12", "m13", "m14", "m15"}
    assert {name for name, m in messages.items() if "*" not in m.shares} == tied_to_definitions
    assert gaps(messages, [*COLLECTIONS, "mine"]) == []


def test_no_system_message_at_all_is_a_preset_too() -> None:
    asked = queries(0.5, 100)
    give = Messages(preset("empty"), multiple_choice_shares(asked), seed=0)
    assert {give(query) for query in asked} == {""}


@pytest.mark.parametrize(
    "copy",
    [
        "You're asked: first think step-by-step, and don't stop.",
        "You\u2019re asked: first think step-by-step, and don\u2019t stop.",
        "You're asked: first think step-by- step, and don't stop.",
        "You're asked: first think step-bystep, and don't stop.",
        "You're asked: first think step\u2010by\u2011step, and don't\nstop.",
        "  YOU'RE asked: \ufb01rst think\r\n step-by-\nstep,\u00a0and don`t stop.\n",
    ],
)
def test_a_row_keeps_its_own_message_in_the_spelling_that_is_configured(copy: str) -> None:
    right = "You're asked: first think step-by-step, and don't stop."
    own = [copy, copy.replace("step", "stop"), " \n"]
    prompts = [Prompt(Query(f"question {place}", task="t"), system=system) for place, system in enumerate(own)]
    texts = {"a": right, "b": "You're asked: think, and don't stop.", "none": ""}
    node = {name: Message(text=text, shares={"*": 1}) for name, text in texts.items()}
    sampler = PairedSampler(PairedConfig(of={}, messages=node, message="own"), lambda: Listed(prompts), seed=0)
    assert [prompt.system for prompt in sampler.sample()] == [right, own[1], ""]


def test_texts_in_any_script_are_told_apart() -> None:
    texts = [
        "चरण दर चरण सोचो",
        "चरण दर चरण सोचा",
        "一步一步地思考。",
        "Erkläre es Schritt für Schritt!",
        "فكّر خطوة بخطوة",
    ]
    assert len({letters(text) for text in texts}) == len(texts)
    assert [letters(unicodedata.normalize("NFD", text)) for text in texts] == [letters(text) for text in texts]


def test_a_collection_without_a_message_is_named_with_the_nearest_one_that_has() -> None:
    messages = {"a": Message(text="A", shares={"flan2021": 1}), "b": Message(text="B", shares={"t0": 0})}
    with pytest.raises(UserError, match=r"none for collection 'flan_2021'.*did you mean 'flan2021'"):
        Messages(messages, {"flan_2021": 0.5}, seed=0)
    with pytest.raises(UserError, match="none for collection 't0'"):
        Messages(messages, {"flan2021": 0.5, "t0": 0.5}, seed=0)
    only = {"a": Message(text="A", shares={"*": 1}, multiple_choice=True)}
    with pytest.raises(UserError, match=r"none but for multiple-choice questions for collection ''.*\{\*: 1\}"):
        Messages(only, {"": 0.5}, seed=0)


def pair(project, *overrides: str):
    toy = ("sampler=paired", "+sampler@sampler.of=sums", "teacher=adder", "student=memory", "evaluator=[all-sums]")
    return project.orca("run", *toy, "curriculum=single", *overrides)


def test_any_samplers_queries_are_paired_with_the_sixteen_edited_by_overrides(project, tmp_path: Path) -> None:
    result = pair(
        project,
        "sampler.of.n=400",
        "+system_messages@sampler.messages=orca",
        'sampler.messages.m04.text="Erkläre es mir."',
        "sampler.messages.m02.shares={*:0}",
        "~sampler.messages.m03",
        "sampler.messages.m17={text: Neu, shares: {*: 2}}",
    )
    assert result.returncode == 0, result.stderr
    drawn = {p.system for p in read_prompts((tmp_path / "store/sample").glob("*/prompts-*.parquet"))}
    usual = {
        message.text for name, message in preset("orca").items() if name in {"m01", "m05", "m06", "m07", "m11", "m16"}
    }
    assert drawn == usual | {"Erkläre es mir.", "Neu"}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["+system_messages@sampler.messages=orcas"], ["orcas: no such option; did you mean 'orca'?"]),
        (
            [
                "+system_messages@sampler.messages=orca",
                "sampler.messages.m07.share=3",
                "sampler.messages.m07.shares.t0=-1",
            ],
            ["messages.m07.share: unknown key; did you mean 'shares'?", "messages.m07.shares.t0 = -1: "],
        ),
    ],
)
def test_what_is_wrong_with_a_message_is_told_by_its_key(project, overrides: list[str], told: list[str]) -> None:
    result = pair(project, *overrides)
    assert result.returncode == 2, result.stderr
    assert all(line in result.stderr for line in told), result.stderr


def test_paired_asks_what_the_other_sampler_draws_in_its_order_and_tells_of_its_pools() -> None:
    class Inner:
        def sample(self):
            return (Prompt(Query(str(i), "t", "c"), system="old", choices=("A", "B")) for i in (3, 1, 2, 1))

        def pools(self):
            return {"c": {"pool": 9}}

    messages = {"a": Message(text="A", shares={"*": 1}), "b": Message(text="B", shares={"*": 1})}
    sampler = PairedSampler(PairedConfig(of=None, messages=messages), Inner, seed=0)
    prompts = list(sampler.sample())
    assert [(p.query.text, p.choices) for p in prompts] == [(t, ("A", "B")) for t in ("3", "1", "2", "1")]
    assert prompts[1] == prompts[3]
    assert {p.system for p in prompts} <= {"A", "B"}
    assert sampler.pools() == {"c": {"pool": 9}}
