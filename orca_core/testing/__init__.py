"""What plugin authors test with: contract checks for every kind of component, and a fake OpenAI-compatible server.

>>> from orca_core.testing import FakeOpenAI, check_plugin, check_responder
"""

from orca_core.testing.contracts import (
    build,
    check_evaluator,
    check_plugin,
    check_responder,
    check_sampler,
    check_selector,
    check_student,
    make_context,
    make_prompts,
)
from orca_core.testing.faults import Fault
from orca_core.testing.server import FakeOpenAI, Request

__all__ = [
    "FakeOpenAI",
    "Fault",
    "Request",
    "build",
    "check_evaluator",
    "check_plugin",
    "check_responder",
    "check_sampler",
    "check_selector",
    "check_student",
    "make_context",
    "make_prompts",
]
