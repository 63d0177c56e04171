"""Curation of explanation traces: refusals, duplicates, language, balance, and overlap with evaluation sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core import Component, Screen, Selector, hookimpl
from orca_curation.balance import BALANCE
from orca_curation.best_of import BEST_OF
from orca_curation.duplicates import DUPLICATE_PROMPTS, DUPLICATES
from orca_curation.language import LANGUAGE
from orca_curation.length import LENGTH
from orca_curation.near_duplicates import NEAR_DUPLICATE_PROMPTS, NEAR_DUPLICATES
from orca_curation.overlap import OVERLAP
from orca_curation.refusals import REFUSALS


@hookimpl
def orca_selectors() -> Iterable[Component[Any, Selector]]:
    """Which answers are trained on."""
    return [REFUSALS, DUPLICATES, NEAR_DUPLICATES, LENGTH, LANGUAGE, BEST_OF, BALANCE]


@hookimpl
def orca_screens() -> Iterable[Component[Any, Screen]]:
    """Which prompts are asked."""
    return [OVERLAP, DUPLICATE_PROMPTS, NEAR_DUPLICATE_PROMPTS]
