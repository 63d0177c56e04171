"""What plugin authors test with: contract checks for every kind of component, and a fake OpenAI-compatible server.

>>> from orca_core.testing import FakeOpenAI, check_plugin, check_responder
"""

from orca_core.testing.batch_api import BatchAPI
from orca_core.testing.batch_rows import Fate
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
from orca_core.testing.fake import FakeOpenAI
from orca_core.testing.faults import Answer, Fault
from orca_core.testing.http import Request, Response
from orca_core.testing.rates import RateLimit

__all__ = [
    "Answer",
    "BatchAPI",
    "FakeOpenAI",
    "Fate",
    "Fault",
    "RateLimit",
    "Request",
    "Response",
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
