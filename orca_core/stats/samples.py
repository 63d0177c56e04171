"""Uniform random samples of streams, the same each time (Vitter 1985, algorithm R)."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Holds a uniform sample of all that was added so far: at most ``size`` items, all of them if there were no more."""

    def __init__(self, size: int) -> None:
        self.size, self.count = size, 0
        self.items: list[T] = []
        self._draw = Random("reservoir")

    def add(self, item: T) -> None:
        self.count += 1
        if self.count <= self.size:
            self.items.append(item)
        elif (place := int(self._draw.random() * self.count)) < self.size:
            self.items[place] = item


def reservoir(items: Iterable[T], size: int) -> tuple[list[T], int]:
    """A sample of a whole stream, and the length of the stream."""
    sample = Reservoir[T](size)
    for item in items:
        sample.add(item)
    return sample.items, sample.count
