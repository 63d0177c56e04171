"""Temporal sequences: when could they have gone? The dial is the number of sightings; BIG-Bench Hard's have 3 to 5.

Explained by going through the sightings in order of time up to the first gap, which is the answer.
"""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random

from orca_reasoning.families.base import Family, Item, Solution, option_block, option_labels, options
from orca_reasoning.lexicon import ACTIVITIES, NAMES, PLACES

_TIME = r"(\d{1,2}[ap]m)"
_WOKE = re.compile(rf"\w+ woke up at {_TIME}\.")
_SEEN = re.compile(rf"\w+ saw \w+ .+? from {_TIME} to {_TIME}\.")
_CLOSED = re.compile(rf"The .+? was closed after {_TIME}\.")

Interval = tuple[int, int]
"""Full hours since midnight."""


def _awake(hour: int) -> str:
    return f"Awake at {_clock(hour)}."


def _busy(interval: Interval) -> str:
    return f"Busy {_span(interval)}."


def _free(interval: Interval, option: str) -> str:
    return f"Free {_span(interval)}, option {option}."


def _brief(interval: Interval) -> str:
    return f"The only time not accounted for is {_span(interval)}."


def _clock(hour: int) -> str:
    return f"{(hour - 1) % 12 + 1}{'am' if hour % 24 < 12 else 'pm'}"


def _span(interval: Interval) -> str:
    return f"{_clock(interval[0])} to {_clock(interval[1])}"


def _hour(clock: str) -> int:
    return int(clock[:-2]) % 12 + (12 if clock.endswith("pm") else 0)


def _solve(text: str) -> Solution | None:
    woke, closed = _WOKE.search(text), _CLOSED.search(text)
    if not woke or not closed or "Between what times could" not in text:
        return None
    labels = {span: label for label, span in options(text).items()}
    now, end = _hour(woke[1]), _hour(closed[1])
    steps = [_awake(now)]
    for busy in [*sorted((_hour(a), _hour(b)) for a, b in _SEEN.findall(text)), (end, end)]:
        if busy[0] > now and _span((now, busy[0])) in labels:
            label = labels[_span((now, busy[0]))]
            return Solution(label, (*steps, _free((now, busy[0]), label)), _brief((now, busy[0])))
        now = max(now, busy[1])
        steps.append(_busy(busy))
    return None


def _intervals(rng: Random, size: int) -> list[Interval]:
    """``size + 1`` intervals without gaps within the day from 5am to 10pm."""
    hours = sorted(rng.sample(range(5, 23), size + 2))
    return list(pairwise(hours))


def _generate(rng: Random, size: int) -> Item:
    intervals = _intervals(rng, size)
    free = rng.choice(intervals)
    busy = [interval for interval in intervals if interval != free]
    person, *witnesses = rng.sample(NAMES, size + 1)
    place = rng.choice(PLACES)
    seen = [
        f"{witness} saw {person} {activity} from {_clock(start)} to {_clock(end)}."
        for witness, activity, (start, end) in zip(witnesses, rng.sample(ACTIVITIES, size), busy, strict=True)
    ]
    offered = [free, *rng.sample(busy, min(3, size))]
    rng.shuffle(offered)
    lines = [
        f"Today, {person} went to the {place}. Between what times could they have gone?",
        "We know that:",
        f"{person} woke up at {_clock(intervals[0][0])}.",
        *seen,
        f"The {place} was closed after {_clock(intervals[-1][1])}.",
        f"Between what times could {person} have gone to the {place}?",
        option_block([_span(interval) for interval in offered]),
    ]
    return Item("\n".join(lines), f"({chr(ord('A') + offered.index(free))})")


FAMILY = Family(
    name="temporal_sequences",
    dial="sightings",
    sizes=(1, 5),
    limits=(1, 16),
    generate=_generate,
    solve=_solve,
    choices=option_labels,
)
