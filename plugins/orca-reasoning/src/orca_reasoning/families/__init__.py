"""The families of questions, one module each, named after the files of BIG-Bench Hard whose text formats they share."""

from __future__ import annotations

from orca_reasoning.families import (
    boolean_expressions,
    dyck_languages,
    logical_deduction,
    multistep_arithmetic,
    navigate,
    object_counting,
    temporal_sequences,
    tracking,
    web_of_lies,
    word_sorting,
)
from orca_reasoning.families.base import Family, Item, Solution, final_sentence

__all__ = ["FAMILIES", "Family", "Item", "Solution", "final_sentence", "recognise"]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        boolean_expressions.FAMILY,
        multistep_arithmetic.FAMILY,
        navigate.FAMILY,
        web_of_lies.FAMILY,
        *tracking.FAMILIES,
        dyck_languages.FAMILY,
        object_counting.FAMILY,
        word_sorting.FAMILY,
        *logical_deduction.FAMILIES,
        temporal_sequences.FAMILY,
    )
}
"""Every family by name."""


def recognise(text: str) -> tuple[Family, Solution] | None:
    """The family that a question belongs to and its solution; None if no family knows the text."""
    for family in FAMILIES.values():
        if solution := family.solve(text):
            return family, solution
    return None
