"""orca: explanation tuning as four pluggable hooks (Sampler, Teacher, Student, Evaluator) and one cached stage graph."""

from orca_core.component import Component, Config, Context, ProgressFn, part, unkeyed
from orca_core.errors import ConfigError, DataError, OrcaError, UserError
from orca_core.hookspecs import hookimpl
from orca_core.protocols import Estimate, Evaluator, Responder, Sampler, Selector, Student
from orca_core.records import Prompt, Query, Score, Trace

__version__ = "0.1.0"

__all__ = [
    "Component",
    "Config",
    "ConfigError",
    "Context",
    "DataError",
    "Estimate",
    "Evaluator",
    "OrcaError",
    "ProgressFn",
    "Prompt",
    "Query",
    "Responder",
    "Sampler",
    "Score",
    "Selector",
    "Student",
    "Trace",
    "UserError",
    "hookimpl",
    "part",
    "unkeyed",
]
