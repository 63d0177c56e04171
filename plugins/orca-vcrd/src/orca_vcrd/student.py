"""The student: the Lightning student, with the teacher's traces beside the tokens so that their steps can be judged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from orca_lightning.job import Job
from orca_lightning.queries import keep_queries
from orca_lightning.student import LightningStudent

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_vcrd.config import VcrdConfig

CACHE: Final = "cache"
"""In ``job.own``: a link to the student's cache, where a teacher that is asked keeps its answers."""


class VcrdStudent(LightningStudent):
    """Implements :class:`orca_core.protocols.Student`."""

    def prepare(self, job: Job, examples: Iterable[Trace]) -> None:
        """Tokens, and the traces themselves; see the class extended.

        Raises:
            UserError: the validity of steps is told by the target, and no example has one.
        """
        super().prepare(job, examples)
        config = self.config
        assert isinstance(config, VcrdConfig)
        if config.objective == "sft":
            return
        if not keep_queries(job, examples) and config.validity in ("answer", "mc"):
            raise UserError(
                "student.validity=answer|mc tells a valid step by the answer that it leads to, but no example's query has a target; "
                "choose questions with gold answers, or student.validity=symbolic|judge|likelihood"
            )
        link = job.own / CACHE
        link.unlink(missing_ok=True)
        link.symlink_to(self.context.cache.resolve(), target_is_directory=True)
