"""Navigate: do the instructions lead back? The dial is the number of instructions; BIG-Bench Hard's have 3 to 10.

Two kinds: facing forward all the time (``Take 3 steps left.``), or turning (``Turn around. Take 8 steps.``). Explained as
the position after every instruction, x to the right and y forward, with the direction of each move named.
"""

from __future__ import annotations

import re
from random import Random

from orca_reasoning.families.base import YES_NO, Family, Item, Solution

_HEAD = "If you follow these instructions, do you return to the starting point?"
_FORWARD = "Always face forward."
_TAIL = "\nOptions:\n- Yes\n- No"
_QUESTION = re.compile(rf"\s*{re.escape(_HEAD)}\s*(.*?)(?:\s*Options:\s*- Yes\s*- No)?\s*", re.DOTALL)
_TAKE = re.compile(r"Take (\d+) steps?(?: (forward|right|backward|left))?")
_TURN = re.compile(r"Turn (right|around|left)")
_DIRECTIONS = ("forward", "right", "backward", "left")
_MOVES = {"forward": (0, 1), "right": (1, 0), "backward": (0, -1), "left": (-1, 0)}
_TURNS = {"right": 1, "around": 2, "left": 3}

Position = tuple[int, int]


def _start() -> str:
    return "x 0 y 0."


def _turned(turn: str, direction: str) -> str:
    return f"Turn {turn}: {direction}."


def _moved(count: int, direction: str, at: Position) -> str:
    return f"{count} {direction}: x {at[0]} y {at[1]}."


def _brief(moves: list[str], at: Position) -> str:
    """Every move by its direction, and where they end."""
    return f"{', '.join(moves)}: x {at[0]} y {at[1]}." if moves else "No move at all."


def _step(at: Position, count: int, direction: str) -> Position:
    dx, dy = _MOVES[direction]
    return at[0] + count * dx, at[1] + count * dy


def _turn(direction: str, turn: str) -> str:
    return _DIRECTIONS[(_DIRECTIONS.index(direction) + _TURNS[turn]) % 4]


def _solve(text: str) -> Solution | None:
    found = _QUESTION.fullmatch(text)
    if not found:
        return None
    facing, at, steps = "forward", (0, 0), [_start()]
    moves: list[str] = []
    for sentence in found[1].removeprefix(_FORWARD).strip().rstrip(".").split(". "):
        if turn := _TURN.fullmatch(sentence):
            facing = _turn(facing, turn[1])
            steps.append(_turned(turn[1], facing))
        elif take := _TAKE.fullmatch(sentence):
            direction = take[2] or facing
            if take[2]:
                direction = _DIRECTIONS[(_DIRECTIONS.index(facing) + _DIRECTIONS.index(take[2])) % 4]
            at = _step(at, int(take[1]), direction)
            moves.append(f"{take[1]} {direction}")
            steps.append(_moved(int(take[1]), direction, at))
        else:
            return None
    return Solution("Yes" if at == (0, 0) else "No", tuple(steps), _brief(moves, at))


def _take(count: int, direction: str = "") -> str:
    return f"Take {count} step{'s' if count > 1 else ''}{' ' + direction if direction else ''}."


def _closing(at: Position) -> tuple[int, str] | None:
    """The one move of 1 to 10 steps that leads from here to the start, if there is one."""
    x, y = at
    count = abs(x + y)
    if (x and y) or not 1 <= count <= 10:
        return None
    return count, ("left" if x > 0 else "right") if x else ("backward" if y > 0 else "forward")


def _walk(rng: Random, size: int) -> tuple[list[str], Position, str]:
    """Random instructions with turns; where they end, and facing which way."""
    facing, at, sentences = "forward", (0, 0), []
    for _ in range(size):
        if rng.random() < 0.35:
            turn = rng.choice(list(_TURNS))
            facing = _turn(facing, turn)
            sentences.append(f"Turn {turn}.")
        else:
            count = rng.randint(1, 10)
            at = _step(at, count, facing)
            sentences.append(_take(count))
    return sentences, at, facing


def _slide(rng: Random, size: int) -> tuple[list[str], Position]:
    """Random instructions that always face forward, and where they end."""
    at, sentences = (0, 0), []
    for _ in range(size):
        count, direction = rng.randint(1, 10), rng.choice(_DIRECTIONS)
        at = _step(at, count, direction)
        sentences.append(_take(count, direction))
    return sentences, at


def _returning(rng: Random, size: int, turning: bool) -> list[str] | None:
    """Instructions whose last one closes the way; None if these could not be closed."""
    if turning:
        sentences, at, facing = _walk(rng, size - 1)
        closing = _closing(at)
        return [*sentences, _take(closing[0])] if closing and closing[1] == facing else None
    sentences, at = _slide(rng, size - 1)
    closing = _closing(at)
    if not closing:
        return None
    sentences.append(_take(*closing))
    rng.shuffle(sentences)
    return sentences


def _question(sentences: list[str], turning: bool) -> str:
    return " ".join([_HEAD, *([] if turning else [_FORWARD]), *sentences]) + _TAIL


def _generate(rng: Random, size: int) -> Item:
    turning = rng.random() < 0.5
    if rng.random() < 0.5:
        for _ in range(500):
            if sentences := _returning(rng, size, turning):
                return Item(_question(sentences, turning), "Yes")
    sentences, at = _walk(rng, size)[:2] if turning else _slide(rng, size)
    return Item(_question(sentences, turning), "Yes" if at == (0, 0) else "No")


FAMILY = Family(
    name="navigate",
    dial="instructions",
    sizes=(2, 8),
    limits=(1, 30),
    generate=_generate,
    solve=_solve,
    choices=lambda text: YES_NO,
)
