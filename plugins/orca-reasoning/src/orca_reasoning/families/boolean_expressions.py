"""Boolean expressions: ``not ( True ) and ( True ) is``. The dial is the number of tokens; BIG-Bench Hard's have 8.

Explained as a chain of rewrites. In each, every place that can be reduced is reduced at once: first all ``not V`` and
``( V )``; if there is none, all ``V and V``; if there is none, all ``V or V``. Each token of a line thus depends on a few
neighbours in the line before.
"""

from __future__ import annotations

import re
from random import Random

from orca_reasoning.families.base import TRUTH, Family, Item, Solution

_QUESTION = re.compile(r"\s*((?:True|False|not|and|or|[()])(?:\s+(?:True|False|not|and|or|[()]))*)\s+is\s*")
_V = "(True|False)"
_ROUNDS = (
    (re.compile(rf"not {_V}|\( {_V} \)"), lambda m: m[2] or str(m[1] == "False")),
    (re.compile(rf"{_V} and {_V}"), lambda m: str(m[1] == m[2] == "True")),
    (re.compile(rf"(?<!and ){_V} or {_V}(?! and)"), lambda m: str("True" in m.groups())),
)


def _explain(lines: list[str]) -> tuple[str, ...]:
    return (" = ".join(lines) + ".",)


def _brief(lines: list[str]) -> str:
    """The line before the last: what the whole comes down to."""
    return f"It comes down to {lines[max(0, len(lines) - 2)]}."


def _rewrite(line: str) -> str:
    """The line with every place of the tightest-binding kind reduced; unchanged if nothing can be."""
    for pattern, reduced in _ROUNDS:
        if pattern.search(line):
            return pattern.sub(reduced, line)
    return line


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found:
        return None
    lines = [" ".join(found[1].split())]
    while (line := _rewrite(lines[-1])) != lines[-1]:
        lines.append(line)
    value = lines[-1]
    if value not in TRUTH:
        return None
    return Solution(value, _explain(lines[1:] or lines), _brief(lines))


def _disjunction(rng: Random, size: int) -> tuple[str, bool]:
    """An expression of exactly ``size`` tokens and its value, from the grammar in which ``not`` binds tightest."""
    if size >= 3 and rng.random() < 0.4:
        left = rng.randint(1, size - 2)
        (a, x), (b, y) = _disjunction(rng, left), _conjunction(rng, size - 1 - left)
        return f"{a} or {b}", x or y
    return _conjunction(rng, size)


def _conjunction(rng: Random, size: int) -> tuple[str, bool]:
    if size >= 3 and rng.random() < 0.6:
        left = rng.randint(1, size - 2)
        (a, x), (b, y) = _conjunction(rng, left), _negation(rng, size - 1 - left)
        return f"{a} and {b}", x and y
    return _negation(rng, size)


def _negation(rng: Random, size: int) -> tuple[str, bool]:
    if size == 1:
        value = rng.random() < 0.5
        return str(value), value
    if size == 2 or rng.random() < 0.6:
        inner, value = _negation(rng, size - 1)
        return f"not {inner}", not value
    inner, value = _disjunction(rng, size - 2)
    return f"( {inner} )", value


def _generate(rng: Random, size: int) -> Item:
    expression, value = _disjunction(rng, size)
    return Item(f"{expression} is", str(value))


FAMILY = Family(
    name="boolean_expressions",
    dial="tokens",
    sizes=(4, 10),
    limits=(2, 40),
    generate=_generate,
    solve=_solve,
    choices=lambda text: TRUTH,
)
