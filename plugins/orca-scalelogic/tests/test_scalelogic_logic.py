"""Sentences and entailment: what is written is read back, and the SAT solver agrees with truth tables."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from orca_scalelogic.answers import rewarded, stated
from orca_scalelogic.entailment import Entailment, entailed
from orca_scalelogic.logic import VARIABLE, Literal, Problem, Rule, fact
from orca_scalelogic.notes import SOMEBODY
from orca_scalelogic.proofs import prove
from orca_scalelogic.wording import WORDINGS, Wording, read_problem

PEOPLE = ("Ada", "Otto")
PROPERTIES = ("calm", "brave")


def literals(person: str | None = None) -> st.SearchStrategy[Literal]:
    whom = st.sampled_from(PEOPLE) if person is None else st.just(person)
    return st.builds(Literal, st.sampled_from(PROPERTIES), whom, st.booleans())


def rules(person: str | None = None) -> st.SearchStrategy[Rule]:
    sides = st.lists(literals(person), min_size=1, max_size=2).map(tuple)
    return st.builds(Rule, sides, sides)


AXIOMS = st.lists(st.one_of(literals().map(fact), rules(), rules(VARIABLE)), min_size=1, max_size=8)
PROBLEMS = st.builds(Problem, AXIOMS.map(tuple), st.lists(literals(), min_size=2, max_size=4, unique=True).map(tuple))
SENTENCES, NOTES = WORDINGS["sentences"], WORDINGS["notes"]

BY_NOBODY = literals(SOMEBODY)
NOTED_RULES = st.builds(Rule, st.lists(BY_NOBODY, min_size=1, max_size=2).map(tuple), st.tuples(BY_NOBODY))
NOTED_PROBLEMS = st.builds(
    Problem,
    st.lists(st.one_of(BY_NOBODY.map(fact), NOTED_RULES), min_size=1, max_size=8).map(tuple),
    st.lists(BY_NOBODY, min_size=2, max_size=4, unique=True).map(tuple),
)
WORDED = st.one_of(st.tuples(PROBLEMS, st.just(SENTENCES)), st.tuples(NOTED_PROBLEMS, st.just(NOTES)))


def by_truth_table(problem: Problem) -> tuple[Literal, ...] | None:
    """The entailed candidates by the definition: those that hold in every model of the axioms."""
    atoms = [(name, person) for name in PROPERTIES for person in PEOPLE]
    models = []
    for values in product((False, True), repeat=len(atoms)):
        world = dict(zip(atoms, values, strict=True))

        def holds(literal: Literal, world: dict[tuple[str, str], bool] = world) -> bool:
            return world[literal.property, literal.person] == literal.positive

        instances = [
            rule.at(person) if rule.universal else rule for rule in problem.axioms for person in problem.persons
        ]
        if all(not all(map(holds, rule.premises)) or any(map(holds, rule.conclusions)) for rule in instances):
            models.append(holds)
    if not models:
        return None
    return tuple(c for c in problem.candidates if all(holds(c) for holds in models))


@settings(max_examples=150, deadline=None)
@given(PROBLEMS)
def test_the_sat_solver_finds_what_truth_tables_find(problem: Problem) -> None:
    assert entailed(problem) == by_truth_table(problem)


@settings(max_examples=150, deadline=None)
@given(PROBLEMS)
def test_what_the_prover_derives_is_entailed(problem: Problem) -> None:
    found, proved = entailed(problem), prove(problem)
    if found is not None and proved is not None:
        with Entailment(problem) as axioms:
            assert proved[0] in found
            assert all(axioms.entails(step.clause[0]) for step in proved[1] if len(step.clause) == 1)


@settings(max_examples=150, deadline=None)
@given(WORDED)
def test_a_problem_is_read_back_from_its_text_with_the_way_it_is_put(worded: tuple[Problem, Wording]) -> None:
    problem, wording = worded
    assert read_problem(wording.problem(problem)) == worded


@settings(max_examples=200, deadline=None)
@given(WORDED, st.data())
def test_a_text_that_is_no_problem_is_told_apart_without_an_error(
    worded: tuple[Problem, Wording], data: st.DataObject
) -> None:
    text = worded[1].problem(worded[0])
    place, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
    read = read_problem(text[:place] + data.draw(st.text(max_size=8)) + text[place + length :])
    assert read is None or (isinstance(read[0], Problem) and read_problem(read[1].problem(read[0])) == read)
    assert read_problem(data.draw(st.text())) is None


def test_a_rule_about_anyone_and_somebody_at_once_is_not_read() -> None:
    mixed = Problem(
        (Rule((Literal("calm", VARIABLE),), (Literal("brave", VARIABLE),)),),
        (Literal("calm", "Ada"), Literal("brave", "Ada")),
    )
    text = SENTENCES.problem(mixed)
    assert read_problem(text) == (mixed, SENTENCES)
    assert read_problem(text.replace("X is brave", "Ada is brave")) is None
    assert read_problem(text.replace("For any X, if", "If")) is None


def test_only_one_well_formed_block_with_the_gold_text_is_rewarded() -> None:
    gold = "Ada is not calm"
    assert rewarded(f"So it is.\n<answer> {gold} </answer>", gold)
    assert rewarded("<answer>ada is  not calm.</answer>", gold)
    for response in (
        gold,
        "<answer>Ada is calm</answer>",
        f"<answer>{gold}",
        f"<answer>{gold}</answer><answer>{gold}</answer>",
        f"<answer><answer>{gold}</answer>",
        "<answer></answer>",
    ):
        assert not rewarded(response, gold), response
    assert stated("<answer> </answer>") is None
