"""Problems with exactly one provable statement (arXiv 2605.06638, task design; section 6.2 of our reading of its code).

Several proof trees of one depth, of which all but one are broken in one place, and distractor rules that connect nothing. The
entailment checker then looks at each, and what it objects to is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from string import ascii_lowercase
from typing import Final, TypeVar
from typing import Literal as OneOf

from orca_scalelogic.entailment import entailed
from orca_scalelogic.lexicon import FEW_PERSONS, FEW_PROPERTIES, PERSONS, PROPERTIES
from orca_scalelogic.logic import VARIABLE, Literal, Problem, Rule, Tier, allows
from orca_scalelogic.notes import GIVEN, SOMEBODY
from orca_scalelogic.trees import Tree, grow

T = TypeVar("T")

Names = OneOf["letters", "words", "few-words"]
DISTRACTORS: Final = 5
"""At most so many rules that lead nowhere."""
_TRIES: Final = 1000


@dataclass(frozen=True, slots=True)
class Shape:
    """What an instance is like, apart from its depth."""

    tier: Tier
    candidates: int
    edges: int
    """Rules that a tree may have, facts not counted; the released settings give it the greatest depth."""
    names: Names
    named: bool = True
    """Whether whom it is about has a name."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A checked problem and its answer."""

    problem: Problem
    gold: Literal
    attempts: int
    """How many problems were built until the checker found this one to have exactly one entailed candidate."""


def make(rng: Random, shape: Shape, depth: int) -> Instance:
    """An instance whose gold statement needs a proof of ``depth`` rules in a row."""
    for attempt in range(1, _TRIES + 1):
        problem, gold = build(rng, shape, depth)
        if entailed(problem) == (gold,):
            return Instance(problem, gold, attempt)
    raise AssertionError(f"no sound instance of {shape} at depth {depth} in {_TRIES} attempts")


def build(rng: Random, shape: Shape, depth: int) -> tuple[Problem, Literal]:
    """A problem as it is constructed, not checked yet, and the statement that was left provable."""
    everybody = FEW_PERSONS if shape.names == "few-words" else PERSONS
    persons = [SOMEBODY]
    if shape.named:
        persons = rng.sample(everybody, 2 if allows(shape.tier, "quantification") else 1)
    numbers = map(str, count())
    trees = [
        grow(rng, shape.tier, depth=depth, edges=shape.edges, persons=persons, fresh=numbers)
        for _ in range(shape.candidates)
    ]
    if allows(shape.tier, "negation"):
        trees = [_with_polarities(rng, tree) for tree in trees]
    axioms = [*trees[0].axioms, *(rule for tree in trees[1:] for rule in broken(rng, shape.tier, tree))]
    known = sorted({literal.property for tree in trees for rule in tree.axioms for literal in rule.literals}, key=int)
    room = shape.candidates * shape.edges - sum(1 for rule in axioms if rule.premises)
    for _ in range(rng.randint(0, max(0, min(DISTRACTORS, room)))):
        axioms.append(_distractor(rng, shape.tier, known, persons, numbers))
    problem = _named(rng, shape.names, Problem(tuple(axioms), tuple(tree.root for tree in trees)))
    return Problem(_permuted(rng, problem.axioms), _permuted(rng, problem.candidates)), problem.candidates[0]


def _permuted(rng: Random, items: Sequence[T]) -> tuple[T, ...]:
    return tuple(rng.sample(items, len(items)))


def _with_polarities(rng: Random, tree: Tree) -> Tree:
    """Each property, the root's included, turned into its opposite throughout the tree with probability one half."""
    names = sorted({literal.property for rule in tree.axioms for literal in rule.literals}, key=int)
    turned = {name for name in names if rng.random() < 0.5}

    def turn(literal: Literal) -> Literal:
        return literal.negated() if literal.property in turned else literal

    axioms = (Rule(tuple(map(turn, rule.premises)), tuple(map(turn, rule.conclusions))) for rule in tree.axioms)
    return Tree(turn(tree.root), tuple(axioms))


def broken(rng: Random, tier: Tier, tree: Tree) -> tuple[Rule, ...]:
    """The tree's axioms without one of them, or (with negation, half the time) with one literal of it turned.

    Only an axiom that does not mention the root is touched. The released code spares the root's first rule alone, so that a
    root with two rules (cases) may lose one where it is wrong: a small tell for whoever counts mentions.
    """
    place = rng.choice([i for i, rule in enumerate(tree.axioms) if tree.root.property not in _properties(rule)])
    rule = tree.axioms[place]
    instead: tuple[Rule, ...] = ()
    if allows(tier, "negation") and rng.random() < 0.5:
        turned = rng.randrange(len(rule.literals))
        literals = tuple(p.negated() if i == turned else p for i, p in enumerate(rule.literals))
        instead = (Rule(literals[: len(rule.premises)], literals[len(rule.premises) :]),)
    return tree.axioms[:place] + instead + tree.axioms[place + 1 :]


def _properties(rule: Rule) -> set[str]:
    return {literal.property for literal in rule.literals}


def _distractor(rng: Random, tier: Tier, known: list[str], persons: list[str], fresh: Iterator[str]) -> Rule:
    """A rule of which at most one side speaks of known properties, so that it can never connect two trees."""
    side = rng.choice(["premises", "conclusions", "neither"])
    person = rng.choice(persons)
    if allows(tier, "quantification") and rng.random() < 0.5:
        person = VARIABLE

    def literals(most: int, old: bool) -> tuple[Literal, ...]:
        n = rng.randint(1, most)
        names = rng.sample(known, n) if old else [next(fresh) for _ in range(n)]
        return tuple(Literal(name, person, not allows(tier, "negation") or rng.random() < 0.5) for name in names)

    premises = literals(2 if allows(tier, "conjunction") else 1, side == "premises")
    return Rule(premises, literals(2 if allows(tier, "disjunction") else 1, side == "conclusions"))


def _named(rng: Random, names: Names, problem: Problem) -> Problem:
    """The problem with words for its numbered properties, drawn anew for each problem."""
    numbers = sorted({p.property for rule in problem.axioms for p in rule.literals}, key=int)
    word = dict(zip(numbers, _words(rng, names, len(numbers)), strict=True))

    def name(literals: tuple[Literal, ...]) -> tuple[Literal, ...]:
        return tuple(literal._replace(property=word[literal.property]) for literal in literals)

    axioms = tuple(Rule(name(rule.premises), name(rule.conclusions)) for rule in problem.axioms)
    return Problem(axioms, name(problem.candidates))


def _words(rng: Random, names: Names, n: int) -> list[str]:
    """Distinct names of properties: five random letters, or words of a fixed list."""
    if names != "letters":
        return rng.sample(FEW_PROPERTIES if names == "few-words" else PROPERTIES, n)
    words: dict[str, None] = {}
    while len(words) < n:
        if (word := "".join(rng.choices(ascii_lowercase, k=5))) != GIVEN:
            words[word] = None
    return list(words)
