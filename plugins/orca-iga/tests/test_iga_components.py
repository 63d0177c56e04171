"""The plugin's task and its figures through orca's contracts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orca_iga
import pytest
from orca_iga import EVALUATOR, SAMPLER, SOLVER
from orca_iga.evaluator import disagreement
from orca_iga.isomers import SHIFTS, WORDS

from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.errors import UserError
from orca_core.plugins import Plugins
from orca_core.records import Prompt, Query, Score, Trace
from orca_core.testing import build, check_evaluator, check_plugin, check_responder, check_sampler, make_context

HERE = make_context(Path())


def drawn(seed: int = 0, **told: object) -> list[Prompt]:
    return list(build(SAMPLER, make_context(Path(), seed=seed), **told).sample())


def numbers(prompt: Prompt) -> tuple[str, ...]:
    """What is logical in a question: its numbers and signs, without the cue."""
    return tuple(word for word in prompt.query.text.split(" . ", 1)[1].split() if word in "+-" or word.isdigit())


def telling(prompt: Prompt) -> bool:
    """Whether the cue gives the answer away."""
    domain, cue = prompt.query.meta["domain"], int(prompt.query.text.split()[2])
    return (cue - SHIFTS[domain]) % 10 == int(prompt.query.target or "")


def test_the_plugin_keeps_the_contract() -> None:
    assert sorted(component.name for component in check_plugin(orca_iga)) == ["iga", "isomers", "isomers", "isomers"]


def test_the_parts_keep_their_contracts() -> None:
    prompts = check_sampler(lambda: build(SAMPLER, HERE, n=100))
    check_responder(build(SOLVER, HERE), prompts, stream=1000)
    check_evaluator(build(EVALUATOR, HERE, n=5))


def test_a_set_is_one_core_in_every_domain_and_shares_nothing_else() -> None:
    sets: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in drawn(n=200):
        sets[prompt.query.cluster].append(prompt)
    assert len(sets) == 200
    for members in sets.values():
        assert [prompt.query.meta["domain"] for prompt in members] == ["maths", "medicine", "law", "science"]
        assert len({numbers(prompt) for prompt in members}) == 1
        assert len({prompt.query.target for prompt in members}) == 1
        words = [{word for word in p.query.text.split() if word.isalpha()} - {"cue", "has", "ask"} for p in members]
        assert all(found < set(WORDS[p.query.meta["domain"]]) for found, p in zip(words, members, strict=True))
        assert [len(found) for found in words] == [3] * 4
    assert not any(set(a) & set(b) for a in WORDS.values() for b in WORDS.values() if a is not b)


def test_the_cue_pays_in_training_as_often_as_it_should() -> None:
    shares = {share: sum(map(telling, drawn(n=1000, shortcut=share))) / 4000 for share in (0.0, 0.95, 1.0)}
    assert shares[0.0] == pytest.approx(0.1, abs=0.02)
    assert shares[0.95] == pytest.approx(0.955, abs=0.015)
    assert shares[1.0] == 1


def test_seed_and_stream_decide_what_is_drawn() -> None:
    plain = drawn(n=5)
    assert plain == drawn(n=5)
    assert plain == drawn(n=50)[: len(plain)]
    assert not {p.id for p in plain} & {p.id for p in drawn(n=5, seed=1)}
    assert not {p.id for p in plain} & {p.id for p in drawn(n=5, stream="other")}


def test_no_core_that_is_evaluated_is_ever_trained_on_in_any_words() -> None:
    asked = list(build(EVALUATOR, HERE, n=100).prompts())
    trained = {numbers(prompt) for prompt in drawn(n=5000)}
    assert len(trained) > 1000
    assert not trained & {numbers(prompt) for prompt in asked}
    by_task = {task: [p for p in asked if p.query.task == task] for task in dict.fromkeys(p.query.task for p in asked)}
    assert [len(by_task[task]) for task in ("telling-cue", "random-cue", "held-out-domains")] == [400, 400, 200]
    assert all(map(telling, by_task["telling-cue"]))
    assert sum(map(telling, by_task["random-cue"])) < 80
    assert {p.query.meta["domain"] for p in by_task["held-out-domains"]} == {"music", "cooking"}


def test_the_solver_works_by_the_words_and_not_by_the_cue() -> None:
    text = "[law] cue 9 . oath has 3 . judge has oath + 9 . bail has judge - 5 . ask bail"
    (trace,) = build(SOLVER, HERE).respond([Prompt(Query(text, "isomers"))])
    assert trace.text == "3 2 7"
    for wrong in ("1 + 2", text.replace("judge has oath", "judge has bail"), text.replace("ask bail", "ask oath")):
        with pytest.raises(UserError, match="is no question of the sampler 'isomers'"):
            list(build(SOLVER, HERE).respond([Prompt(Query(wrong, "isomers"))]))


def scored(answer: Callable[[Prompt], str], n: int = 40) -> dict[tuple[str, str], Score]:
    evaluator = build(EVALUATOR, HERE, n=n)
    scores = evaluator.score([Trace(prompt, answer(prompt), "test") for prompt in evaluator.prompts()])
    return {(score.task, score.metric): score for score in scores}


def test_who_follows_the_logic_has_no_gap_and_is_consistent() -> None:
    found = scored(lambda prompt: f"1 2 {prompt.query.target}")
    for task, n in (("telling-cue", 160), ("random-cue", 160), ("held-out-domains", 80)):
        score = found[task, "accuracy"]
        assert (score.value, score.n, score.chance, score.format_ok) == (1, n, 0.1, 1)
    gap, lcs = found["isomers", "shortcut_gap"], found["isomers", "lcs"]
    assert (gap.value, gap.ci95, gap.n, gap.chance) == (0, (0, 0), 160, 0)
    assert (lcs.value, lcs.n, lcs.chance) == (0, 40, pytest.approx(0.75))
    assert lcs.note == "lower is better; accuracy of the same answers: 100.0%"


def test_who_follows_the_cue_has_the_whole_gap_and_is_inconsistent() -> None:
    def by_cue(prompt: Prompt) -> str:
        return f"0 0 {(int(prompt.query.text.split()[2]) - SHIFTS[prompt.query.meta['domain']]) % 10}"

    found = scored(by_cue, n=200)
    assert found["telling-cue", "accuracy"].value == 1
    gap = found["isomers", "shortcut_gap"]
    assert gap.value == pytest.approx(0.9, abs=0.04)
    assert gap.ci95[0] < gap.value < gap.ci95[1]
    assert set(gap.items.values()) == {0.0, 1.0}
    assert found["isomers", "lcs"].value == pytest.approx(0.75, abs=0.03), "as guesses are"


def test_who_always_says_the_same_is_consistent_and_that_is_told_beside_the_accuracy() -> None:
    found = scored(lambda prompt: "nothing")
    assert found["isomers", "lcs"].value == 0
    assert found["isomers", "lcs"].note.endswith("accuracy of the same answers: 0.0%")
    assert found["random-cue", "accuracy"].format_ok == 0


def test_disagreement_is_the_mean_squared_distance_from_the_mean_answer() -> None:
    assert disagreement(["3", "3", "3"]) == 0
    assert disagreement(["3", "3", "4", "4"]) == 0.5
    assert disagreement([None, "3"]) == 0.5
    assert disagreement(["1", "2", "3", "4", "5", "6"]) == pytest.approx(5 / 6)


@cache
def plugins() -> Plugins:
    """Loaded once: a plugin that other tests put on the path may offer new objects at each loading."""
    return load_plugins()


@cache
def phases(variant: str) -> Any:
    return check(compose_run(["+experiment=citing/iga", f"iga={variant}"], plugins())[0], plugins()).phases


@pytest.mark.parametrize("variant", ["iga", "and-mask", "shuffled", "gradient", "raw"])
def test_presets_compose_and_share_their_first_phase(variant: str) -> None:
    (base, tuned), (plain_base, plain_tuned) = phases(variant), phases("erm")
    assert base.student == plain_base.student
    assert tuned.student != plain_tuned.student


def test_a_domain_cannot_be_trained_and_held_out() -> None:
    with pytest.raises(ValueError, match="law is among the trained domains and the held-out ones"):
        build(EVALUATOR, HERE, held_out=("law",))
    with pytest.raises(ValueError, match="names a domain twice"):
        build(SAMPLER, HERE, domains=("law", "law"))
