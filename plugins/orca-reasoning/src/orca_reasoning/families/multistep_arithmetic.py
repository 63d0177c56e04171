"""Multi-step arithmetic: ``((-1 + 2 + 9 * 5) - (-2 + -4 + -4 * -7)) =``. The dial is the number of operands.

BIG-Bench Hard's have 8, in two brackets. With fewer, only sums and differences occur: long running sums, which a small
student can learn; from 8 on, products too. Explained bracket by bracket: products first, then a running sum from the left.
Products with a factor beyond one digit are spelt out place by place.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from random import Random

from orca_reasoning.families.base import Family, Item, Solution

_QUESTION = re.compile(r"\s*([-+*()\d\s]+?)\s*=\s*")
_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
PRODUCTS_FROM = 8
"""The number of operands from which questions hold products."""


def _equation(a: int, sign: str, b: int, result: int) -> str:
    return f"{a} {sign} {b} = {result}."


def _sum_to_do(terms: list[int], signs: list[str]) -> str:
    return " ".join([str(terms[0]), *(f"{s} {t}" for s, t in zip(signs, terms[1:], strict=True))]) + ":"


def _places(a: int, b: int, pairs: list[tuple[int, int]]) -> str:
    products = " + ".join(f"{x} * {y}" for x, y in pairs)
    return f"{a} * {b}: {products} = {' + '.join(str(x * y) for x, y in pairs)}."


def _brief(steps: list[str], value: int) -> str:
    """The last equation: what the whole comes down to."""
    return steps[-1] if steps else f"It is {value}."


def _by_place(number: int) -> list[int]:
    """405 -> [400, 5]; 0 -> [0]."""
    digits = str(abs(number))
    return [int(d) * 10 ** (len(digits) - 1 - i) for i, d in enumerate(digits) if d != "0"] or [0]


@dataclass
class _Work:
    """Reads an expression from the left and notes each calculation as it falls due; ValueError if it is no expression."""

    tokens: list[str]
    steps: list[str] = field(default_factory=list)

    def sum(self) -> int:
        before = len(self.steps)
        terms, signs = [self.product()], []
        while self.tokens and self.tokens[0] in ("+", "-"):
            signs.append(self.tokens.pop(0))
            terms.append(self.product())
        if len(terms) > 2 and len(self.steps) > before:
            self.steps.append(_sum_to_do(terms, signs))
        return self.running(terms, signs)

    def running(self, terms: list[int], signs: list[str]) -> int:
        total = terms[0]
        for sign, term in zip(signs, terms[1:], strict=True):
            result = _OPERATORS[sign](total, term)
            self.steps.append(_equation(total, sign, term, result))
            total = result
        return total

    def product(self) -> int:
        value = self.unit()
        while self.tokens and self.tokens[0] == "*":
            self.tokens.pop(0)
            value = self.times(value, self.unit())
        return value

    def times(self, a: int, b: int) -> int:
        pairs = [(x, y) for x in _by_place(a) for y in _by_place(b)]
        if len(pairs) > 1 and min(abs(a), abs(b)) > 1:
            self.steps.append(_places(abs(a), abs(b), pairs))
            self.running([x * y for x, y in pairs], ["+"] * (len(pairs) - 1))
        self.steps.append(_equation(a, "*", b, a * b))
        return a * b

    def unit(self) -> int:
        token = self.tokens.pop(0) if self.tokens else ""
        if token == "(":
            value = self.sum()
            if not self.tokens or self.tokens.pop(0) != ")":
                raise ValueError("a bracket is not closed")
            return value
        if token == "-":
            return -self.unit()
        return int(token)


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found:
        return None
    work = _Work(re.findall(r"\d+|\S", found[1]))
    try:
        value = work.sum()
    except ValueError:
        return None
    return None if work.tokens else Solution(str(value), tuple(work.steps), _brief(work.steps, value))


def _bracket(rng: Random, size: int, signs: str) -> tuple[str, int]:
    """A bracket of ``size`` operands from -9 to 9, and its value by the usual precedence."""
    operands = [rng.randint(-9, 9) for _ in range(size)]
    chosen = [rng.choice(signs) for _ in range(size - 1)]
    total, term, text = 0, operands[0], str(operands[0])
    for sign, operand in zip(chosen, operands[1:], strict=True):
        text += f" {sign} {operand}"
        if sign == "*":
            term *= operand
        else:
            total, term = total + term, operand if sign == "+" else -operand
    return f"({text})", total + term


def _generate(rng: Random, size: int) -> Item:
    signs = "+-*" if size >= PRODUCTS_FROM else "+-"
    if size < 4:
        text, value = _bracket(rng, size, signs)
        return Item(f"{text} =", str(value))
    (left, x), (right, y) = _bracket(rng, (size + 1) // 2, signs), _bracket(rng, size // 2, signs)
    sign = rng.choice(signs)
    return Item(f"({left} {sign} {right}) =", str(_OPERATORS[sign](x, y)))


FAMILY = Family(
    name="multistep_arithmetic_two", dial="operands", sizes=(2, 8), limits=(2, 24), generate=_generate, solve=_solve
)
