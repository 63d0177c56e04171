"""The student as the core sees it: fits in a child process, answers in this one."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

from orca_core.component import Context
from orca_core.protocols import FitEstimate, Responder
from orca_core.records import Trace
from orca_lightning.child import run_child
from orca_lightning.config import LightningConfig
from orca_lightning.job import Job

log = logging.getLogger(__name__)


class LightningStudent:
    """Implements :class:`orca_core.protocols.Student`."""

    def __init__(self, config: LightningConfig, context: Context) -> None:
        self.config, self.context = config, context

    def fit(self, examples: Iterable[Trace], *, epochs: int, init: Path | None, out: Path) -> None:
        """Train in a child process, or write the untrained model (``epochs=0``) in this one; see the protocol.

        Raises:
            UserError: no examples, an empty response, all too long, an unusable base, a loss that is not a number.
            TrainingError: the child broke; the message ends with what it last printed.
        """
        job = Job(self.config, epochs, init, out, self.context.seed)
        if job.checkpoint.exists():
            return None
        if epochs == 0:
            from orca_lightning.training.start import write_untrained

            return write_untrained(job, examples)
        job.work.mkdir(parents=True, exist_ok=True)
        self.prepare(job, examples)
        run_child(job, self.context.progress)
        return shutil.rmtree(job.work)

    def prepare(self, job: Job, examples: Iterable[Trace]) -> None:
        """Leave in ``job.work`` what the child needs; a method that needs more than tokens extends this."""
        from orca_lightning.text.prepare import prepare

        prepare(job, examples, self.context.cache)

    def estimate_fit(self, examples: int, tokens: int | None, epochs: int) -> FitEstimate:
        """Memory per device and hours; see the protocol :class:`orca_core.protocols.EstimatesFit`."""
        from orca_lightning.costs.fit import estimate_fit

        return estimate_fit(self.config, examples, tokens, epochs)

    def load(self, checkpoint: Path) -> Responder:
        """The fitted model; see the protocol."""
        from orca_lightning.answering.responder import LightningResponder

        return LightningResponder(checkpoint, self.config, self.context.seed)
