"""What is constructed: exactly one provable candidate, a proof of exact depth, the tier's operators, and no shortcut."""

from __future__ import annotations

from collections import Counter
from itertools import count
from math import sqrt
from random import Random
from typing import Any

import pytest
from orca_scalelogic.entailment import entailed
from orca_scalelogic.instances import Shape, broken, build, make
from orca_scalelogic.logic import TIERS, Literal, Problem, Rule, Tier
from orca_scalelogic.proofs import depth_of, prove
from orca_scalelogic.shortcuts import SHORTCUTS
from orca_scalelogic.trees import grow
from orca_scalelogic.wording import WORDINGS

Drawn = list[tuple[Problem, Literal, int]]
DEPTHS = (1, 2, 3, 4, 6)
EACH, CANDIDATES = 100, 4
LUCK = 3.3
"""Standard errors from chance that 55 comparisons leave to luck (5 %, Bonferroni)."""


@pytest.fixture(scope="module")
def drawn() -> dict[Tier, Drawn]:
    """500 instances of every tier as they are constructed: no checker has thrown any away."""
    found: dict[Tier, Drawn] = {}
    for tier in TIERS:
        rng, shape = Random(f"test {tier}"), Shape(tier, CANDIDATES, max(DEPTHS), "words")
        found[tier] = [(*build(rng, shape, depth), depth) for depth in DEPTHS for _ in range(EACH)]
    return found


def by_another_solver(problem: Problem) -> list[Literal]:
    """The entailed candidates of a consistent problem by CaDiCaL, from clauses that are written here."""
    from pysat.solvers import Solver

    atoms: dict[tuple[str, str], int] = {}

    def number(literal: Literal) -> int:
        atom = atoms.setdefault((literal.property, literal.person), len(atoms) + 1)
        return atom if literal.positive else -atom

    clauses = []
    for rule in problem.axioms:
        for person in {person for person in problem.persons if rule.universal} or {""}:
            there = rule.at(person) if person else rule
            clauses.append([*(-number(p) for p in there.premises), *map(number, there.conclusions)])
    with Solver(name="cadical153", bootstrap_with=clauses) as solver:
        assert solver.solve()
    opposites = [[-number(candidate)] for candidate in problem.candidates]
    results = []
    for opposite in opposites:
        with Solver(name="cadical153", bootstrap_with=[*clauses, opposite]) as solver:
            results.append(not solver.solve())
    return [candidate for candidate, follows in zip(problem.candidates, results, strict=True) if follows]


@pytest.mark.parametrize("tier", TIERS)
def test_every_instance_has_exactly_one_entailed_candidate(drawn: dict[Tier, Drawn], tier: Tier) -> None:
    for problem, gold, _ in drawn[tier]:
        assert len(set(problem.candidates)) == CANDIDATES
        assert entailed(problem) == (gold,)


@pytest.mark.parametrize("tier", TIERS)
def test_another_solver_agrees_from_the_text_alone(drawn: dict[Tier, Drawn], tier: Tier) -> None:
    for problem, gold, _ in drawn[tier][::5]:
        sentences = WORDINGS["sentences"]
        read = sentences.read(sentences.problem(problem))
        assert read is not None
        assert by_another_solver(read) == [gold]


@pytest.mark.parametrize("tier", TIERS)
def test_the_proof_is_found_and_as_deep_as_was_asked(drawn: dict[Tier, Drawn], tier: Tier) -> None:
    for problem, gold, depth in drawn[tier]:
        proved = prove(problem)
        assert proved is not None
        assert proved[0] == gold
        assert depth_of(proved[1]) == depth


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_shortcuts_score_chance(drawn: dict[Tier, Drawn], tier: Tier, shortcut: str) -> None:
    hits = sum(SHORTCUTS[shortcut](problem) == gold for problem, gold, _ in drawn[tier])
    n, chance = len(drawn[tier]), 1 / CANDIDATES
    assert abs(hits - n * chance) / sqrt(n * chance * (1 - chance)) < LUCK


def test_a_tell_would_be_seen(drawn: dict[Tier, Drawn]) -> None:
    """The same bound against planted tells: the gold statement is listed first, or its property is named once more."""
    first, named = 0, 0
    for problem, gold, _ in drawn["disjunction"]:
        others = tuple(candidate for candidate in problem.candidates if candidate != gold)
        first += SHORTCUTS["first listed"](problem._replace(candidates=(gold, *others))) == gold
        told = problem._replace(axioms=(*problem.axioms, Rule((gold,), (Literal("extra", gold.person),))))
        named += SHORTCUTS["most mentioned"](told) == gold
    n, chance = len(drawn["disjunction"]), 1 / CANDIDATES
    for hits in (first, named):
        assert (hits - n * chance) / sqrt(n * chance * (1 - chance)) > LUCK


def operators(problem: Problem) -> set[str]:
    """Which operators occur in the axioms, as the tiers are called."""
    found = {"implication"}
    found |= {"conjunction" for rule in problem.axioms if len(rule.premises) > 1}
    found |= {"negation" for rule in problem.axioms if not all(literal.positive for literal in rule.literals)}
    found |= {"disjunction" for rule in problem.axioms if len(rule.conclusions) > 1}
    found |= {"quantification" for rule in problem.axioms if rule.universal}
    return found


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_has_its_own_operators_and_those_below_and_no_others(drawn: dict[Tier, Drawn], tier: Tier) -> None:
    allowed = set(TIERS[: TIERS.index(tier) + 1])
    seen = Counter(name for problem, _, _ in drawn[tier] for name in operators(problem))
    assert set(seen) == allowed
    assert seen[tier] > 0.5 * len(drawn[tier])


def test_proofs_of_the_upper_tiers_refute_argue_by_cases_and_instantiate(drawn: dict[Tier, Drawn]) -> None:
    kinds: Counter[str] = Counter()
    for tier in TIERS[3:]:
        for problem, _, _ in drawn[tier]:
            _, steps = prove(problem) or (None, ())
            kinds.update({f"{tier} {step.kind}" for step in steps})
            needed = {literal for step in steps for literal in step.clause}
            kinds[f"{tier} {len({literal.person for literal in needed})} persons"] += 1
    assert min(kinds["disjunction refuted"], kinds["disjunction cases"]) > EACH / 2
    assert min(kinds["quantification refuted"], kinds["quantification cases"]) > EACH / 2
    assert kinds["disjunction 2 persons"] == 0
    assert kinds["quantification 2 persons"] > EACH / 2


@pytest.mark.parametrize("tier", TIERS)
def test_no_axiom_of_a_tree_can_be_spared_and_its_rules_stay_within_the_budget(tier: Tier) -> None:
    spared = 0
    for seed in range(40):
        tree = grow(Random(seed), tier, depth=3, edges=5, persons=("Ada", "Otto"), fresh=map(str, count()))
        assert entailed(Problem(tree.axioms, (tree.root,))) == (tree.root,)
        assert 3 <= sum(1 for rule in tree.axioms if rule.premises) <= 5
        assert len(set(tree.axioms)) == len(tree.axioms)
        for place in range(len(tree.axioms)):
            less = tree.axioms[:place] + tree.axioms[place + 1 :]
            spared += entailed(Problem(less, (tree.root,))) != ()
    assert spared == 0


def test_breaking_a_tree_leaves_what_mentions_its_root() -> None:
    rng = Random(0)
    for _ in range(100):
        tree = grow(rng, "disjunction", depth=3, edges=4, persons=("Ada",), fresh=map(str, count()))
        about = [rule for rule in tree.axioms if tree.root.property in {p.property for p in rule.literals}]
        left = broken(rng, "disjunction", tree)
        assert set(about) <= set(left)
        assert left != tree.axioms


def test_an_instance_is_the_same_for_the_same_seed_and_checked() -> None:
    shape = Shape("quantification", 3, 4, "letters")
    one, two, other = (make(Random(seed), shape, 3) for seed in (1, 1, 2))
    assert one == two != other
    assert one.attempts >= 1
    assert entailed(one.problem) == (one.gold,)
    names = {literal.property for rule in one.problem.axioms for literal in rule.literals}
    assert {len(name) for name in names} == {5}


class FirstGiven(Random):
    """Draws the letters of "given" before any others."""

    drawn = 0

    def choices(self, population: Any, *args: Any, **told: Any) -> list[Any]:
        self.drawn += 1
        return list("given") if self.drawn == 1 else super().choices(population, *args, **told)


def test_no_property_has_the_name_that_begins_a_fact_in_notes() -> None:
    rng, notes = FirstGiven(0), WORDINGS["notes"]
    problem, _ = build(rng, Shape("implication", 2, 2, "letters", named=False), 2)
    assert rng.drawn > 1
    assert "given" not in {literal.property for rule in problem.axioms for literal in rule.literals}
    assert notes.read(notes.problem(problem)) == problem
