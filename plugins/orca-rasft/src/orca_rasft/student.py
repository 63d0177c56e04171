"""The student: the Lightning student, with queries beside the tokens so that own answers can be verified."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orca_lightning.job import Job
from orca_lightning.student import LightningStudent

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_core.tables import write_traces
from orca_rasft.config import RasftConfig

EXAMPLES = "examples.parquet"
"""In ``job.own``: the examples with their queries, for verdicts in the child."""


class RasftStudent(LightningStudent):
    """Implements :class:`orca_core.protocols.Student`."""

    def prepare(self, job: Job, examples: Iterable[Trace]) -> None:
        """Tokens, and the examples themselves; see the class extended.

        Raises:
            UserError: no example has a gold target, so that no own answer could be verified.
        """
        super().prepare(job, examples)
        assert isinstance(self.config, RasftConfig)
        if self.config.objective != "rasft":
            return
        from orca_lightning.text.prepare import Part

        job.own.mkdir(parents=True, exist_ok=True)
        part = Part(examples, job.config.validation.share, held_out=False)
        write_traces(job.own / EXAMPLES, _with_targets(part))


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
            "student=rasft verifies the policy's own answers, but no example's query has a target; choose questions with "
            "gold answers, or student.objective=sft|dft|proximal|kl"
        )
