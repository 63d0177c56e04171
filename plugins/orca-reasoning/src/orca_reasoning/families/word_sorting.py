"""Word sorting: ``Sort the following words alphabetically: List: scorch dot prod``. The dial is the number of words;
BIG-Bench Hard's lists have 2 to 20.

Explained by letters: the words by their first letter, in the order of the alphabet; those that share it by the next one,
and so on. A word that has ended comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from orca_reasoning.families.base import Family, Item, Solution
from orca_reasoning.lexicon import WORDS

_HEAD = "Sort the following words alphabetically: List: "
_QUESTION = re.compile(rf"\s*{re.escape(_HEAD.strip())}\s+(\S+(?:\s+\S+)*)\s*")


def _by_letter(prefix: str, groups: dict[str, list[str]]) -> str:
    listed = "; ".join(f"{letter or 'end'} {' '.join(words)}" for letter, words in groups.items())
    return f"after {prefix}: {listed}." if prefix else f"{listed}."


def _brief(words: list[str]) -> str:
    """The first letters in their order."""
    return f"By first letter: {' '.join(word[0] for word in words)}."


def _steps(words: list[str], prefix: str = "") -> Iterator[str]:
    """How words that all start with ``prefix`` are told apart, group by group."""
    letters = sorted({word[len(prefix) : len(prefix) + 1] for word in words})
    groups = {letter: [word for word in words if word[len(prefix) : len(prefix) + 1] == letter] for letter in letters}
    yield _by_letter(prefix, groups)
    for letter, group in groups.items():
        if len(set(group)) > 1:
            yield from _steps(group, prefix + letter)


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found:
        return None
    words = found[1].split()
    ordered = sorted(words)
    return Solution(" ".join(ordered), tuple(_steps(words)), _brief(ordered))


def _generate(rng: Random, size: int) -> Item:
    words = rng.sample(WORDS, size)
    return Item(_HEAD + " ".join(words), " ".join(sorted(words)))


FAMILY = Family(
    name="word_sorting",
    dial="words",
    sizes=(2, 20),
    limits=(2, 60),
    generate=_generate,
    solve=_solve,
    form=r"\S+(?: \S+)*",
)
