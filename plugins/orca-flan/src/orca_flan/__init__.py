"""FLAN-v2 at full scale: judicious sampling of its collections, and the sixteen system messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orca_core.component import Component, Context
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Responder, Sampler, Verifier
from orca_flan.config import FlanConfig
from orca_flan.reference import REFERENCE
from orca_flan.verifier import FLAN_ANSWER


def build(config: FlanConfig, context: Context) -> Sampler:
    """The sampler; NumPy is loaded here."""
    from orca_flan.sampler import FlanSampler

    return FlanSampler(config, context)


FLAN = Component("flan", FlanConfig, build)


@hookimpl
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """The sampler ``flan``; the presets are configurations of it."""
    return [FLAN]


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The data sets' own explanations and answers."""
    return [REFERENCE]


@hookimpl
def orca_verifiers() -> Iterable[Component[Any, Verifier]]:
    """For gold targets that are one of several, or of many."""
    return [FLAN_ANSWER]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """Presets: the paper's draws at three sizes, from three kinds of source."""
    return ["pkg://orca_flan.conf"]
