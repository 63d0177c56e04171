"""Proof trees of an exact depth, grown backwards from their root (arXiv 2605.06638 and its released generator, task design).

The root is a goal at level 0. A goal is closed by a fact, or by a rule whose premises are goals one level down. As long as the
depth is not reached, the deepest goal is taken next and never closed by a fact, so that depth is met exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from orca_scalelogic.logic import VARIABLE, Literal, Rule, Tier, allows, fact

_EVEN = 0.5
"""Of a disjunct to be refuted (or else given a case of its own), and of a rule of the top tier to be universal."""


class Tree(NamedTuple):
    """A statement and the axioms that prove it, none of which can be spared but where the top tier re-uses."""

    root: Literal
    axioms: tuple[Rule, ...]


class _Goal(NamedTuple):
    literal: Literal
    level: int


def grow(rng: Random, tier: Tier, *, depth: int, edges: int, persons: Sequence[str], fresh: Iterator[str]) -> Tree:
    """A tree whose longest branch has ``depth`` rules.

    Args:
        rng: draws its shape.
        tier: which operators may occur.
        depth: at least 1.
        edges: how many rules there may be (facts not counted); at least ``depth``.
        persons: the first is whom the root is about; others appear in the top tier alone.
        fresh: names of new properties.
    """
    growth = _Growth(rng, tier, depth, edges, tuple(persons), fresh)
    return growth.run()


class _Growth:
    """A tree that is being grown."""

    def __init__(
        self, rng: Random, tier: Tier, depth: int, edges: int, persons: tuple[str, ...], fresh: Iterator[str]
    ) -> None:
        self.rng, self.tier, self.depth, self.left, self.persons, self.fresh = rng, tier, depth, edges, persons, fresh
        self.root = Literal(next(fresh), persons[0])
        self.axioms: list[Rule] = []
        self.goals: list[_Goal] = []
        self.reached = 0
        self.settled: list[_Goal] = []
        """Goals that are or will be proved, for re-use as premises of shallower ones (top tier)."""
        self.universals: list[Rule] = []
        self.general: set[str] = set()
        """Properties that a universal rule speaks of."""
        self.asked: dict[str, set[str]] = {}
        """Of whom each property was asked, for re-use with another person (top tier)."""

    def run(self) -> Tree:
        self._want(self.root, 0)
        while self.goals:
            goal = self._next()
            if goal.level == self.depth or self.left <= 0:
                self.axioms.append(fact(goal.literal))
                continue
            universal = self._universal_wanted(goal)
            if not (universal and self._instantiate_again(goal)):
                self._expand(goal, universal and goal.literal.property not in self.general)
        return Tree(self.root, tuple(self.axioms))

    def _next(self) -> _Goal:
        """The deepest goal while the depth is not reached, then any."""
        floor = self.reached if self.reached < self.depth else 0
        goal = self.rng.choice([goal for goal in self.goals if goal.level >= floor])
        self.goals.remove(goal)
        return goal

    def _want(self, literal: Literal, level: int) -> None:
        goal = _Goal(literal, level)
        self.asked.setdefault(literal.property, set()).add(literal.person)
        self.goals.append(goal)
        self.settled.append(goal)
        self.reached = max(self.reached, level)

    def _known(self, literal: Literal) -> bool:
        return literal.person in self.asked.get(literal.property, ())

    def _spare(self, level: int) -> int:
        """Rules that may be spent on a goal at this level so that the depth can still be reached."""
        return self.left if self.reached == self.depth else self.left - (self.depth - level - 1)

    def _expand(self, goal: _Goal, universal: bool) -> None:
        """One new rule for the goal: one or two premises, and perhaps a second conclusion."""
        premises, conclusions = self.rng.choice(self._arities(goal))
        self.left -= 1
        wanted: list[Literal] = []
        for _ in range(premises):
            wanted.append(self._premise(goal, universal, wanted))
        rule = Rule(tuple(wanted), (goal.literal,))
        if conclusions == 2:
            rule = rule._replace(conclusions=(goal.literal, self._disjunct(goal)))
        if universal:
            rule = rule.at(VARIABLE)
            self.universals.append(rule)
            self.general |= {literal.property for literal in rule.literals}
        self.axioms.append(rule)

    def _arities(self, goal: _Goal) -> list[tuple[int, int]]:
        """How many premises and conclusions a rule may have here. A disjunction never stands at the root."""
        most_premises = 2 if allows(self.tier, "conjunction") else 1
        most_conclusions = 2 if allows(self.tier, "disjunction") and goal.level else 1
        pairs = [(p, c) for p in range(1, most_premises + 1) for c in range(1, most_conclusions + 1)]
        return [(p, c) for p, c in pairs if p + c - 1 <= self.left]

    def _premise(self, goal: _Goal, universal: bool, beside: Sequence[Literal]) -> Literal:
        """A new goal one level down; in the top tier perhaps one that is there, or a known property of another person."""
        literal: Literal | None = None
        if allows(self.tier, "quantification") and not universal:
            deeper = [known for known in self.settled if known.level > goal.level and known.literal not in beside]
            if self._lucky(len(deeper)):
                return self.rng.choice(deeper).literal
            literal = self._of_somebody_else()
        literal = literal or Literal(next(self.fresh), goal.literal.person)
        self._want(literal, goal.level + 1)
        return literal

    def _of_somebody_else(self) -> Literal | None:
        """A property that was asked of some persons, asked of another; None if luck or the properties do not allow it."""
        pairs = [
            Literal(name, person)
            for name, asked in self.asked.items()
            for person in self.persons
            if person not in asked and name not in self.general and name != self.root.property
        ]
        return self.rng.choice(pairs) if self._lucky(len(pairs)) else None

    def _lucky(self, choices: int) -> bool:
        """Whether one of so many things is re-used, where a new one has the same chance as each of them."""
        return self.rng.random() * (choices + 1) < choices

    def _disjunct(self, goal: _Goal) -> Literal:
        """A second conclusion: refuted (disjunctive syllogism), or leading where the goal leads (reasoning by cases)."""
        other = Literal(next(self.fresh), goal.literal.person)
        users = [rule for rule in self.axioms if goal.literal.property in {p.property for p in rule.literals}]
        one_use = len(users) == 1 and goal.literal.property in {p.property for p in users[0].premises}
        if self.rng.random() < _EVEN or not one_use or self._spare(goal.level) < 1:
            self._want(other.negated(), goal.level)
            return other
        self._second_case(users[0], goal.literal, other)
        # Now neither disjunct is proved by itself.
        self.settled = [known for known in self.settled if known.literal != goal.literal]
        return other

    def _second_case(self, rule: Rule, first: Literal, second: Literal) -> None:
        """The rule again, for the other disjunct."""
        its_forms = (first, first.about(VARIABLE))
        changed = tuple(second.about(p.person) if p in its_forms else p for p in rule.premises)
        self.axioms.append(Rule(changed, rule.conclusions))
        self.left -= 1
        if rule.universal:
            self.general.add(second.property)

    def _universal_wanted(self, goal: _Goal) -> bool:
        """Whether the goal's rule is to be universal: never the root's, nor one whose second use would be too deep."""
        fits = 0 < goal.level < self.depth - 1
        return allows(self.tier, "quantification") and fits and self.rng.random() < _EVEN

    def _instantiate_again(self, goal: _Goal) -> bool:
        """Prove the goal from a universal rule's instance for another person, by a link from its conclusion to the goal."""
        instances = [rule.at(person) for rule in self.universals for person in self.persons]
        unused = [instance for instance in instances if not any(self._known(literal) for literal in instance.literals)]
        if not self._lucky(len(unused)):
            return False
        instance = self.rng.choice(unused)
        self.asked |= {literal.property: set(self.persons) for literal in instance.literals}
        conclusions = self.rng.sample(instance.conclusions, len(instance.conclusions))
        self.left -= 1
        self.axioms.append(Rule((conclusions[0],), (goal.literal,)))
        for literal in instance.premises:
            self._want(literal, goal.level + 2)
        for other in conclusions[1:]:
            if self.rng.random() < _EVEN or self._spare(goal.level + 1) < 1:
                self._want(other.negated(), goal.level + 1)
            else:
                self.left -= 1
                self.axioms.append(Rule((other,), (goal.literal,)))
        return True
