"""Logical isomer sets: one logical core in the words of several domains, and a shortcut that pays in training alone.

``[law] cue 7 . judge has 3 . clause has judge + 4 . oath has clause - 2 . ask oath`` is answered ``3 7 5``: the values one after the
other, modulo 10. The core is the numbers and which words of a domain's list play the parts; the domains share nothing else. The cue
is the answer plus a number of the domain's own, or drawn at random.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from pydantic import Field, field_validator

from orca_core.component import Component, Config, Context
from orca_core.errors import UserError
from orca_core.protocols import Responder, Sampler
from orca_core.records import Prompt, Query, Trace, content_id

Domain = Literal["maths", "medicine", "law", "science", "music", "cooking"]

WORDS: Final[dict[Domain, tuple[str, ...]]] = {
    "maths": ("alpha", "beta", "gamma", "delta", "sigma", "omega", "theta", "kappa"),
    "medicine": ("fever", "pulse", "dose", "nurse", "ward", "blood", "cough", "scan"),
    "law": ("judge", "court", "fine", "bail", "clause", "oath", "jury", "deed"),
    "science": ("atom", "laser", "cell", "orbit", "acid", "magnet", "fossil", "crystal"),
    "music": ("drum", "flute", "chord", "tempo", "violin", "choir", "sonata", "rhythm"),
    "cooking": ("oven", "sugar", "broth", "onion", "butter", "pepper", "knife", "dough"),
}
TRAINED: Final[tuple[Domain, ...]] = ("maths", "medicine", "law", "science")
HELD_OUT: Final[tuple[Domain, ...]] = ("music", "cooking")
SHIFTS: Final = {domain: place + 1 for place, domain in enumerate(WORDS)}
"""What a cue that gives the answer away is above it, modulo 10."""
TASK: Final = "isomers"
_ASIDE: Final = 8
"""One core in so many is never trained on."""
_PARTS: Final = 3
_QUESTION: Final = re.compile(
    r"\[\w+\] cue \d \. (\w+) has (\d) \. (\w+) has (\w+) ([+-]) (\d) \. (\w+) has (\w+) ([+-]) (\d) \. ask (\w+)"
)


@dataclass(frozen=True)
class Core:
    """What the questions of a set have in common."""

    start: int
    steps: tuple[int, int]
    """What is added, 1 to 9 or -9 to -1, modulo 10."""
    parts: tuple[int, int, int]
    """Whose words play the parts, by their places in the lists."""

    @classmethod
    def draw(cls, rng: Random) -> Core:
        """One at random."""
        first, second = (rng.choice((1, -1)) * rng.randint(1, 9) for _ in range(2))
        a, b, c = rng.sample(range(len(WORDS["law"])), _PARTS)
        return cls(rng.randrange(10), (first, second), (a, b, c))

    @property
    def values(self) -> list[int]:
        """Of the three parts; the last is the answer."""
        first, second = self.steps
        return [self.start, (self.start + first) % 10, (self.start + first + second) % 10]

    @property
    def held_out(self) -> bool:
        """Whether it is kept for the evaluator; its numbers decide, so that none of these is trained on in other words."""
        return int(content_id(TASK, f"{self.start} {self.steps}"), 16) % _ASIDE == 0

    @property
    def id(self) -> str:
        """The name of its set."""
        return content_id(TASK, f"{self.start} {self.steps} {self.parts}")

    def query(self, domain: Domain, cue: int, task: str = TASK) -> Query:
        """The question in the words of a domain."""
        a, b, c = (WORDS[domain][part] for part in self.parts)
        first, second = (f"{'+' if step > 0 else '-'} {abs(step)}" for step in self.steps)
        text = f"[{domain}] cue {cue} . {a} has {self.start} . {b} has {a} {first} . {c} has {b} {second} . ask {c}"
        return Query(text, task, target=str(self.values[-1]), meta={"cluster": self.id, "domain": domain})

    def telling_cue(self, domain: Domain) -> int:
        """The cue that gives the answer away."""
        return (self.values[-1] + SHIFTS[domain]) % 10


def cores(rng: Random, *, held_out: bool) -> Iterator[Core]:
    """Cores without end, no set twice; those of the evaluator, or the others."""
    seen = set[str]()
    while True:
        core = Core.draw(rng)
        if core.held_out == held_out and core.id not in seen:
            seen.add(core.id)
            yield core


class IsomersConfig(Config):
    """Logical isomer sets: a question in the words of several domains, with a cue that mostly gives the answer away."""

    n: int = Field(1600, ge=1, le=500_000, description="sets, each a prompt in every domain")
    domains: tuple[Domain, ...] = Field(TRAINED, min_length=1, description="whose words are used")
    shortcut: float = Field(
        0.95,
        ge=0,
        le=1,
        description="share of the prompts whose cue is the answer plus the domain's shift; others draw it",
    )
    stream: str = Field("", description="name of a stream of random numbers; another name, other sets")

    @field_validator("domains")
    @classmethod
    def _distinct(cls, domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
        if len(set(domains)) < len(domains):
            raise ValueError(f"{list(domains)} names a domain twice")
        return domains


class IsomersSampler:
    """Implements :class:`orca_core.protocols.Sampler`. The prompts of a set follow one another."""

    def __init__(self, config: IsomersConfig, seed: int) -> None:
        self.config, self.seed = config, seed

    def sample(self) -> Iterator[Prompt]:
        config = self.config
        drawn = cores(Random(f"{self.seed}/{config.stream}/cores"), held_out=False)
        luck = Random(f"{self.seed}/{config.stream}/cues")
        for _ in range(config.n):
            core = next(drawn)
            for domain in config.domains:
                cue = core.telling_cue(domain) if luck.random() < config.shortcut else luck.randrange(10)
                yield Prompt(core.query(domain, cue))


class SolverConfig(Config):
    """Works isomers out step by step."""


class Solver:
    """Implements :class:`orca_core.protocols.Responder`."""

    def respond(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        for prompt in prompts:
            text = " ".join(map(str, solution(prompt.query.text)))
            yield Trace(prompt, text, "isomers", completion_tokens=_PARTS, cost_usd=0.0)


def solution(text: str) -> list[int]:
    """The values of the three parts, read from a question's words.

    Raises:
        UserError: it is no such question.
    """
    found = _QUESTION.fullmatch(text)
    if found is not None:
        a, start, b, of_b, sign, first, c, of_c, other, second, asked = found.groups()
        if (of_b, of_c, asked) == (a, b, c):
            middle = (int(start) + int(sign + first)) % 10
            return [int(start), middle, (middle + int(other + second)) % 10]
    raise UserError(
        f"teacher isomers: '{text[:80]}' is no question of the sampler 'isomers'; choose that sampler, or another teacher"
    )


def _sampler(config: IsomersConfig, context: Context) -> Sampler:
    return IsomersSampler(config, context.seed)


def _solver(config: SolverConfig, context: Context) -> Responder:
    return Solver()


SAMPLER: Final = Component[IsomersConfig, Sampler]("isomers", IsomersConfig, _sampler)
SOLVER: Final = Component[SolverConfig, Responder]("isomers", SolverConfig, _solver)
