"""The student: the Lightning student, with queries beside the tokens so that own answers can be verified."""

from __future__ import annotations

from collections.abc import Iterable

from orca_lightning.job import Job
from orca_lightning.queries import keep_queries
from orca_lightning.student import LightningStudent

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_rasft.config import RasftConfig


class RasftStudent(LightningStudent):
    """Implements :class:`orca_core.protocols.Student`."""

    def prepare(self, job: Job, examples: Iterable[Trace]) -> None:
        """Tokens, and the examples themselves; see the class extended.

        Raises:
            UserError: no example has a gold target, so that no own answer could be verified.
        """
        super().prepare(job, examples)
        assert isinstance(self.config, RasftConfig)
        if self.config.objective == "rasft" and not keep_queries(job, examples):
            raise UserError(
                "student=rasft verifies the policy's own answers, but no example's query has a target; choose questions "
                "with gold answers, or student.objective=sft|dft|proximal|kl"
            )
