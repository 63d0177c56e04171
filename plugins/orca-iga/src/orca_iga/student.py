"""The student: the Lightning student, with the isomer sets beside the tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orca_lightning.job import Job
from orca_lightning.student import LightningStudent

from orca_core.protocols import FitEstimate
from orca_core.records import Trace


class IgaStudent(LightningStudent):
    """Implements :class:`orca_core.protocols.Student`."""

    def prepare(self, job: Job, examples: Iterable[Trace]) -> None:
        """Tokens, and which examples are a set; see the class extended.

        Raises:
            UserError: the examples are no isomer sets (:func:`orca_iga.sets.find_sets`).
        """
        from orca_lightning.text.corpus import Corpus

        from orca_iga.sets import find_sets, save_sets

        super().prepare(job, examples)
        save_sets(find_sets(examples, Corpus.open(job.corpus)), job.own)

    def estimate_fit(self, examples: int, tokens: int | None, epochs: int) -> FitEstimate:
        """The same tokens as plain fine-tuning, in other steps; see the class extended."""
        plain = super().estimate_fit(examples, tokens, epochs)
        if not plain.costs:  # nothing is known of the network, and that is what the notes say
            return plain
        said = (
            f"a step is {self.config.batch_rows} isomer sets; masks take the memory of about five more copies of the gradients, "
            "which is not in the sum"
        )
        return replace(plain, notes=(*plain.notes[1:], said))
