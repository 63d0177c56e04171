"""The language of ScaleLogic: literals about persons, rules over them, and problems made of both (arXiv 2605.06638, task design).

A rule says: if all premises hold, at least one conclusion does. A fact is a rule without premises. What a rule says of
:data:`VARIABLE` it says of every person.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, get_args
from typing import Literal as OneOf

VARIABLE: Final = "X"
"""Stands for any person in a universal rule. All literals of such a rule are about it."""

Tier = OneOf["implication", "conjunction", "negation", "disjunction", "quantification"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
"""The rungs of expressiveness. Each has the operators of those before it, too."""


def allows(tier: Tier, operator: Tier) -> bool:
    """Whether an operator is among those of a tier."""
    return TIERS.index(operator) <= TIERS.index(tier)


class Literal(NamedTuple):
    """A person has a property, or has it not."""

    property: str
    person: str
    positive: bool = True

    def negated(self) -> Literal:
        """The opposite."""
        return self._replace(positive=not self.positive)

    def about(self, person: str) -> Literal:
        """The same of another person, or of the variable."""
        return self._replace(person=person)


class Rule(NamedTuple):
    """Premises, all of which hold, and conclusions, of which one holds then."""

    premises: tuple[Literal, ...]
    conclusions: tuple[Literal, ...]

    @property
    def literals(self) -> tuple[Literal, ...]:
        """Premises, then conclusions."""
        return self.premises + self.conclusions

    @property
    def universal(self) -> bool:
        """Whether it speaks of every person."""
        return any(literal.person == VARIABLE for literal in self.literals)

    def at(self, person: str) -> Rule:
        """A universal rule's instance for a person."""
        return Rule(
            tuple(literal.about(person) for literal in self.premises),
            tuple(literal.about(person) for literal in self.conclusions),
        )


def fact(literal: Literal) -> Rule:
    """The rule that says a literal holds."""
    return Rule((), (literal,))


class Problem(NamedTuple):
    """What is given, and the statements of which exactly one follows from it."""

    axioms: tuple[Rule, ...]
    candidates: tuple[Literal, ...]

    @property
    def persons(self) -> tuple[str, ...]:
        """Everybody who is named, in alphabetical order."""
        literals = (*self.candidates, *(literal for rule in self.axioms for literal in rule.literals))
        return tuple(sorted({literal.person for literal in literals} - {VARIABLE}))

    def ground(self) -> Iterator[Rule]:
        """The axioms with every universal rule replaced by its instances for everybody who is named.

        Enough for entailment of a statement about a named person: the axioms have no functions and no existence claims, so
        whatever holds in a model over the named persons can be extended to any larger one (Herbrand).
        """
        for rule in self.axioms:
            if rule.universal:
                yield from (rule.at(person) for person in self.persons)
            else:
                yield rule
