"""The hooks. Each takes nothing and returns what the plugin offers, so it can be listed, completed, suggested and tested by calling.

A plugin is a module registered under the entry-point group ``orca``::

    [project.entry-points.orca]
    my-plugin = "my_plugin"

whose functions of these names are marked with :data:`hookimpl`. Importing a plugin must stay cheap: torch, transformers,
litellm, lightning and datasets are imported in ``build`` or later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pluggy

from orca_core.component import Component
from orca_core.protocols import Evaluator, Executor, Responder, Sampler, Screen, Selector, Student, Verifier

PROJECT = "orca"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def orca_samplers() -> Iterable[Component[Any, Sampler]]:
    """Samplers: draw queries and pair them with system messages (``sampler=NAME``)."""
    raise NotImplementedError


@hookspec
def orca_screens() -> Iterable[Component[Any, Screen]]:
    """Screens: hold drawn prompts against each other and the evaluators' questions, before they are asked (``screen=[NAME]``)."""
    raise NotImplementedError


@hookspec
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """Teachers: answer prompts with explanations (``teacher=NAME``)."""
    raise NotImplementedError


@hookspec
def orca_selectors() -> Iterable[Component[Any, Selector]]:
    """Selectors: choose which traces to train on (``selector=NAME``)."""
    raise NotImplementedError


@hookspec
def orca_students() -> Iterable[Component[Any, Student]]:
    """Students: fine-tuned on the traces, phase after phase (``student=NAME``)."""
    raise NotImplementedError


@hookspec
def orca_evaluators() -> Iterable[Component[Any, Evaluator]]:
    """Evaluators: ask a subject and score its answers (``'evaluator=[NAME,NAME]'``)."""
    raise NotImplementedError


@hookspec
def orca_verifiers() -> Iterable[Component[Any, Verifier]]:
    """Verifiers: judge answers by the gold target; a query names its own in ``meta["verifier"]``."""
    raise NotImplementedError


@hookspec
def orca_executors() -> Iterable[Component[Any, Executor]]:
    """Executors: where the shards of asking and answering are worked on (``executor=NAME``)."""
    raise NotImplementedError


@hookspec
def orca_config_paths() -> Iterable[str]:
    """Search-path roots with presets, such as ``pkg://orca_litellm.conf``; the package needs an ``__init__.py``."""
    raise NotImplementedError
