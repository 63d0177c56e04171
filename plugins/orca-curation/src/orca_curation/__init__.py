"""Curation of explanation traces: refusals, duplicates, language, balance, and overlap with evaluation sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Screen, Selector
from orca_curation.duplicates import DUPLICATE_PROMPTS, DUPLICATES
from orca_curation.near_duplicates import NEAR_DUPLICATE_PROMPTS, NEAR_DUPLICATES


@hookimpl
def orca_selectors() -> Iterable[Component[Any, Selector]]:
    """What is wrong with a trace by itself or beside the others."""
    return [DUPLICATES, NEAR_DUPLICATES]


@hookimpl
def orca_screens() -> Iterable[Component[Any, Screen]]:
    """What is wrong with a drawn prompt."""
    return [DUPLICATE_PROMPTS, NEAR_DUPLICATE_PROMPTS]
