"""The student: the Lightning student, with the teacher's traces beside the tokens so that their steps can be judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from orca_lightning.job import Job
from orca_lightning.student import LightningStudent

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_core.tables import write_traces
from orca_vcrd.config import VcrdConfig

EXAMPLES: Final = "examples.parquet"
"""In ``job.own``: the traces, for verdicts in the child."""
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
        from orca_lightning.text.prepare import Part

        job.own.mkdir(parents=True, exist_ok=True)
        part: Iterable[Trace] = Part(examples, config.validation.share, held_out=False)
        write_traces(job.own / EXAMPLES, _with_targets(part) if config.validity in ("answer", "mc") else part)
        link = job.own / CACHE
        link.unlink(missing_ok=True)
        link.symlink_to(self.context.cache.resolve(), target_is_directory=True)


def _with_targets(examples: Iterable[Trace]) -> Iterator[Trace]:
    """The examples themselves.

    Raises:
        UserError: none of them has a target.
    """
    known = 0
    for example in examples:
        known += example.prompt.query.target is not None
        yield example
    if not known:
        raise UserError(
            "student.validity=answer|mc tells a valid step by the answer that it leads to, but no example's query has a target; "
            "choose questions with gold answers, or student.validity=symbolic|judge|likelihood"
        )
