"""The teacher with a skill, as the core builds it: what it learns, whom it gives it to, and what it keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orca_skillgen
import pytest
from orca_skillgen.simulated import adder
from skillgen_parts import BLANKET, PLACEBO, build, offering, plugins, questions, skilled, verification

from orca_core import Estimate, Prompt, Query, Trace, UserError
from orca_core.errors import ConfigError
from orca_core.protocols import Estimates, HasProvenance, KeepsLog
from orca_core.testing import check_evaluator, check_plugin, check_responder, check_sampler
from orca_core.verify import AnswerVerifier


def right(traces: Iterable[Trace]) -> dict[str, bool]:
    verify = AnswerVerifier().verify
    return {t.prompt.id: bool(verify(t.prompt.query, t.text)) for t in traces}


def test_the_plugin_keeps_the_contract() -> None:
    assert sorted(component.name for component in check_plugin(orca_skillgen)) == [
        "column-sums",
        "hasty-adder",
        "repairs",
        "skill-placebo",
        "skill-rules",
        "skilled",
    ]


def test_the_parts_keep_their_contracts(tmp_path: Path) -> None:
    prompts = check_sampler(lambda: build("sampler", {"name": "column-sums"}, tmp_path))
    check_responder(build("teacher", {"name": "hasty-adder"}, tmp_path), prompts)
    check_responder(skilled(tmp_path), prompts, stream=2_000)
    against = {"name": "hasty-adder"}
    check_evaluator(
        build("evaluator", {"name": "repairs", "of": {"name": "column-sums"}, "against": against}, tmp_path)
    )


def test_it_learns_a_skill_for_the_questions_that_need_it_and_leaves_the_others_alone(tmp_path: Path) -> None:
    teacher, base = skilled(tmp_path), build("teacher", {"name": "hasty-adder"}, tmp_path)
    prompts = questions(tmp_path)
    before, after = list(base.respond(prompts)), list(teacher.respond(prompts))
    page = (teacher.slot.path / "SKILL.md").read_text()
    assert "when: digits >= 3" in page
    assert "column" in page
    assert [trace.prompt for trace in after] == prompts, "answers carry the prompt as it was asked"
    short = [i for i, prompt in enumerate(prompts) if prompt.query.task == "short_sums"]
    assert [after[i] for i in short] == [before[i] for i in short]
    assert sum(right(after).values()) > sum(right(before).values()) + 40
    facts = verification(teacher)
    assert facts["verdict"] == "accepted"
    assert facts["fresh"]["p_value"] < 0.001
    assert facts["fresh"]["regressions"] <= 0.05 * facts["fresh"]["base_right"]
    parts = [set(facts[name]["ids"]) for name in ("induce", "verify", "fresh")]
    assert [len(ids) for ids in parts] == [240, 120, 240]
    assert len(set.union(*parts)) == 600, "questions for writing, trying and testing are disjoint"


def test_a_blanket_skill_helps_on_the_whole_and_is_refused_for_what_it_breaks(tmp_path: Path) -> None:
    released, exact = skilled(tmp_path, BLANKET, gate="released"), skilled(tmp_path, BLANKET)
    prompts, base = questions(tmp_path), build("teacher", {"name": "hasty-adder"}, tmp_path)
    before, after = right(base.respond(prompts)), right(released.respond(prompts))
    assert sum(after.values()) > sum(before.values()), "its net passes the authors' rule"
    broken = sum(before[i] and not after[i] for i in before)
    assert broken > 0.1 * sum(before.values())
    assert right(exact.respond(prompts)) == before, "refused, it changes nothing"
    assert "that were right, 5% is allowed" in verification(exact)["verdict"]
    assert not (exact.slot.path / "SKILL.md").exists()
    assert verification(exact)["rounds"][0]["net"] >= 6


def test_an_untested_skill_is_used_as_it_comes(tmp_path: Path) -> None:
    teacher = skilled(tmp_path, PLACEBO, gate="none")
    assert teacher.skill().name == "rule-1"
    assert "fresh" not in verification(teacher)


def test_a_placebo_is_refused_after_as_many_rounds_as_are_allowed(tmp_path: Path) -> None:
    teacher = skilled(tmp_path, PLACEBO, rounds=3)
    assert teacher.skill() is None
    rounds = verification(teacher)["rounds"]
    assert len({one["page"] for one in rounds}) == len(rounds) == 3, "every round tries another page"


def test_a_teacher_that_never_fails_needs_no_skill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adder, "RIGHT", dict.fromkeys(adder.RIGHT, 1.0))
    teacher = skilled(tmp_path)
    assert teacher.skill() is None
    assert "240 of 240 answers are right" in verification(teacher)["verdict"]


def test_the_skill_is_learnt_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = questions(tmp_path, 20)
    first = skilled(tmp_path)
    assert list(first.respond(iter(()))) == []
    assert first.slot.done is None, "nothing is learnt for nothing"
    texts = [trace.text for trace in first.respond(prompts)]
    asked: list[str] = []
    plain = adder.HastyAdder.respond
    monkeypatch.setattr(
        adder.HastyAdder, "respond", lambda self, given: (asked.append(t.prompt.id) or t for t in plain(self, given))
    )
    assert [trace.text for trace in skilled(tmp_path).respond(prompts)] == texts
    assert len(asked) == 20
    assert skilled(tmp_path, seed=1).slot != first.slot
    assert skilled(tmp_path, alpha=0.01).slot != first.slot


def test_another_version_of_the_teacher_inside_has_its_skill_learnt_anew(tmp_path: Path) -> None:
    adder = plugins().offers["teacher"]["hasty-adder"].component
    newer = offering(plugins(), replace(adder, version=2))
    assert skilled(tmp_path, known=newer).slot != skilled(tmp_path).slot


def test_too_few_questions_are_an_error_that_says_how_many_are_needed(tmp_path: Path) -> None:
    teacher = skilled(tmp_path, train={"name": "column-sums", "n": 100})
    with pytest.raises(UserError, match=r"teacher\.train: draws 100 distinct questions .* and 600 are needed"):
        next(teacher.respond(questions(tmp_path, 1)))


def test_a_wrong_part_is_told_under_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"teacher\.writer: no teacher is called 'skil-rules'; did you mean"):
        skilled(tmp_path, {"name": "skil-rules"})


def test_an_offline_writer_that_is_asked_a_question_says_what_it_is_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="writes skills and answers no questions; put it at writer="):
        next(build("teacher", {"name": "skill-rules"}, tmp_path).respond([Prompt(Query("1 + 1", "sums"))]))


def keeper(cache: Path) -> Any:
    """A skilled teacher around one with all the protocols there are."""
    return skilled(cache, of={"name": "keeper"}, train={"name": "column-sums", "n": 700})


def test_it_honours_the_protocols_of_the_teacher_inside(tmp_path: Path) -> None:
    teacher, prompts = keeper(tmp_path), questions(tmp_path, 100)
    assert isinstance(teacher, Estimates)
    assert isinstance(teacher, HasProvenance)
    assert teacher.keeps_answers
    assert not isinstance(teacher, KeepsLog), "several processes would learn several skills"
    assert not skilled(tmp_path).keeps_answers
    before = teacher.estimate(iter(prompts))
    assert replace(before, notes=()) == Estimate(100, 1000, 500, 25.0)
    assert "up to 1,320 prompts more, about $330.00 in all" in before.notes[0]
    assert teacher.base.answered == 0, "an estimate asks nobody"
    assert teacher.provenance() == {"prices": "of today"}
    list(teacher.respond(prompts))
    assert teacher.estimate(iter(prompts)) == Estimate(100, 1000, 500, 25.0)
    assert teacher.provenance() | {"skill": "accepted"} == teacher.provenance()


def test_closing_it_closes_the_teacher_inside(tmp_path: Path) -> None:
    teacher, pulled = keeper(tmp_path), []
    answers = teacher.respond(pulled.append(prompt) or prompt for prompt in questions(tmp_path, 100))
    next(answers)
    answered = teacher.base.answered
    answers.close()
    assert len(pulled) < 5
    assert teacher.base.answered == answered


def test_repairs_and_regressions_are_scored_with_n_and_interval(tmp_path: Path) -> None:
    against = {"name": "hasty-adder"}
    of = {"name": "column-sums", "held_out": True, "n": 300}
    evaluator = build("evaluator", {"name": "repairs", "of": of, "against": against}, tmp_path)
    prompts = list(evaluator.prompts())
    base = build("teacher", against, tmp_path)
    before = right(base.respond(prompts))
    subject = list(skilled(tmp_path, BLANKET, gate="released").respond(prompts))
    after = right(subject)
    scores = {(score.task, score.metric): score for score in evaluator.score(subject)}
    for task in ("long_sums", "short_sums"):
        ids = [prompt.id for prompt in prompts if prompt.query.task == task]
        broken = scores[task, "broken of right"]
        assert (broken.n, broken.value * broken.n) == (
            sum(before[i] for i in ids),
            pytest.approx(sum(before[i] and not after[i] for i in ids)),
        )
        net = scores[task, "net gain"]
        assert net.n == len(ids)
        assert net.value == pytest.approx(sum(after[i] - before[i] for i in ids) / len(ids))
        assert net.ci95[0] <= net.value <= net.ci95[1]
        assert scores[task, "accuracy"].format_ok == 1
    assert scores["short_sums", "net gain"].ci95[1] < 0 < scores["long_sums", "net gain"].ci95[0]


def test_a_question_without_a_gold_answer_cannot_be_scored(tmp_path: Path) -> None:
    (tmp_path / "open.jsonl").write_text('{"query": "Why?", "task": "open"}\n')
    node = {
        "name": "repairs",
        "of": {"name": "file", "path": tmp_path / "open.jsonl"},
        "against": {"name": "hasty-adder"},
    }
    with pytest.raises(UserError, match="a question of task 'open' has no gold answer"):
        list(build("evaluator", node, tmp_path).prompts())
