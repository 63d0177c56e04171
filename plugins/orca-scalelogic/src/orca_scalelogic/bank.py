"""Draws distinct instances, training and held-out ones apart by construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from orca_core.component import Config
from orca_core.errors import UserError
from orca_core.records import Query, content_id
from orca_scalelogic.instances import DISTRACTORS, Instance, Names, Shape, make
from orca_scalelogic.lexicon import FEW_PROPERTIES, PROPERTIES
from orca_scalelogic.logic import TIERS, Problem, Tier
from orca_scalelogic.notes import NOTED
from orca_scalelogic.wording import WORDINGS, WordingName

HELD_OUT_ONE_IN: Final = 8
MOST_DEEP: Final = 24
_BARREN: Final = 2000
"""Draws in a row that bring nothing new, after which a shape counts as exhausted."""


def _distinct(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    if not tiers or len(set(tiers)) < len(tiers):
        raise ValueError(f"name at least one of {', '.join(TIERS)}, and each at most once")
    return tiers


class TaskConfig(Config):
    """What sampler and evaluator have in common: which instances there are."""

    tiers: Annotated[tuple[Tier, ...], AfterValidator(_distinct)] = Field(
        TIERS, description="rungs of expressiveness, in turn; each has the operators of those before it, too"
    )
    depths: tuple[int, int] = Field((1, 4), description="depth of the proof, from the first to the second")
    candidates: int = Field(4, ge=2, le=8, description="statements to choose from")
    names: Names = Field(
        "words",
        description="properties: words of a list (a token each); few-words: 48 of them, and 8 persons, for the smallest "
        "students; letters: 5 random ones (paper)",
    )

    wording: WordingName = Field(
        "sentences",
        description="sentences, or notes: a rule's words in a row and no names (tiers up to negation), which the smallest "
        "students learn to look up",
    )

    @model_validator(mode="after")
    def _check(self) -> TaskConfig:
        if self.wording == "notes" and not {*self.tiers} <= {*NOTED}:
            raise ValueError(f"wording: notes can say {', '.join(NOTED)}; choose of these tiers, or wording=sentences")
        low, high = self.depths
        if not 1 <= low <= high <= MOST_DEEP:
            raise ValueError(f"depths: a pair with 1 <= low <= high <= {MOST_DEEP}")
        # Three new properties a rule at most (two premises, a second conclusion), four a distractor, and the roots.
        most = self.candidates * (1 + 3 * high) + 4 * DISTRACTORS
        listed = {"words": len(PROPERTIES), "few-words": len(FEW_PROPERTIES)}.get(self.names, most)
        if most > listed:
            raise ValueError(
                f"names: {self.candidates} candidates of depth {high} may need {most} words, the list has {listed}; "
                "choose names=letters, or fewer or shallower ones"
            )
        return self

    def shape(self, tier: Tier) -> Shape:
        """Trees may have as many rules as the greatest depth, whatever their own (released: edges = candidates * depth)."""
        return Shape(tier, self.candidates, self.depths[1], self.names, named=self.wording == "sentences")


def fingerprint(problem: Problem) -> int:
    """The same for the same facts and statements in another order: 64 bits."""
    say = WORDINGS["sentences"]
    sentences = sorted(map(say.rule, problem.axioms)), sorted(map(say.literal, problem.candidates))
    return int(content_id("\n".join(sentences[0]), "\n".join(sentences[1])), 16)


def is_held_out(problem: Problem) -> bool:
    """Whether a problem is kept for evaluation: a fixed eighth of all, told by a hash that does not see their order."""
    return fingerprint(problem) % HELD_OUT_ONE_IN == 0


def draw(rng: Random, shape: Shape, depths: Iterable[int], *, held_out: bool) -> Iterator[tuple[Instance, int]]:
    """A distinct instance, with its depth, for each of the depths; all held out or none of them.

    Remembers 64 bits of each.

    Raises:
        UserError: there are not as many distinct ones.
    """
    seen: set[int] = set()
    for depth in depths:
        for _ in range(_BARREN):
            instance = make(rng, shape, depth)
            if is_held_out(instance.problem) == held_out and (mark := fingerprint(instance.problem)) not in seen:
                break
        else:
            kind = "held-out" if held_out else "training"
            raise UserError(
                f"scalelogic: found only {len(seen)} distinct {kind} instances of tier {shape.tier}; ask for fewer, or for "
                "greater depths, more candidates, or names=letters"
            )
        seen.add(mark)
        yield instance, depth


def as_query(config: TaskConfig, tier: Tier, instance: Instance, depth: int) -> Query:
    """The instance as the core's record; its task is tier and depth, such as ``negation-d3``."""
    say = WORDINGS[config.wording]
    return Query(
        say.problem(instance.problem),
        f"{tier}-d{depth}",
        "scalelogic",
        say.literal(instance.gold),
        tuple(map(say.literal, instance.problem.candidates)),
        {"tier": tier, "depth": depth, "verifier": "scalelogic"},
    )
