"""orca: explanation tuning as four pluggable hooks (Sampler, Teacher, Student, Evaluator) and one cached stage graph."""

from orca_core.component import Component, Config, Context, ProgressFn, part, part_nodes, scoring, unkeyed
from orca_core.errors import ConfigError, DataError, OrcaError, OutOfBudgetError, UserError
from orca_core.hookspecs import hookimpl
from orca_core.protocols import (
    Estimate,
    Evaluator,
    Executor,
    Flag,
    KeepsAnswers,
    Responder,
    Sampler,
    Screen,
    Selector,
    Student,
    Verifier,
)
from orca_core.records import Decoding, Prompt, Query, Score, Trace, Turn

__version__ = "0.1.0"

__all__ = [
    "Component",
    "Config",
    "ConfigError",
    "Context",
    "DataError",
    "Decoding",
    "Estimate",
    "Evaluator",
    "Executor",
    "Flag",
    "KeepsAnswers",
    "OrcaError",
    "OutOfBudgetError",
    "ProgressFn",
    "Prompt",
    "Query",
    "Responder",
    "Sampler",
    "Score",
    "Screen",
    "Selector",
    "Student",
    "Trace",
    "Turn",
    "UserError",
    "Verifier",
    "hookimpl",
    "part",
    "part_nodes",
    "scoring",
    "unkeyed",
]
