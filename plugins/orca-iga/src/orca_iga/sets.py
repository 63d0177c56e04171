"""Isomer sets among the examples: found when they are prepared, shuffled whole, taken apart by domain for a step."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from orca_lightning.job import Job
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.packing import Rows
from orca_lightning.training.steps import MicroBatch, Plan, Step, micro_batch

from orca_core.errors import UserError
from orca_core.records import Trace

log = logging.getLogger(__name__)
Ints = npt.NDArray[np.int64]
FILE = "isomers.npy"
"""In ``job.own``: the sets."""


def find_sets(examples: Iterable[Trace], corpus: Corpus) -> Ints:
    """The whole sets among the examples, ``[sets, domains]``: the numbers in the corpus, domains in the order of their names.

    Examples of one cluster (and number of the answer, where there are several) are a set; one that lacks a domain, as an example
    was dropped or is too long, is left out, and that is logged.

    Raises:
        UserError: an example without a domain, two of a set with the same one, or no whole set.
    """
    places = {int(source): number for number, source in enumerate(corpus.sources)}
    sets: dict[tuple[str, int], dict[str, int | None]] = {}
    for source, example in enumerate(examples):
        query = example.prompt.query
        domain = query.meta.get("domain")
        if domain is None:
            raise UserError(
                f"student=iga trains on isomer sets, but example {example.prompt.id} (task '{query.task}') does not say its domain: "
                "its query needs meta.domain, and meta.cluster to name its set; the sampler 'isomers' draws such"
            )
        members = sets.setdefault((query.cluster, example.prompt.sample), {})
        if domain in members:
            raise UserError(f"student=iga: the isomer set '{query.cluster}' has two examples of the domain '{domain}'")
        members[str(domain)] = places.get(source)
    domains = sorted({domain for members in sets.values() for domain in members})
    rows = [[members.get(domain) for domain in domains] for members in sets.values()]
    whole = [row for row in rows if None not in row]
    if not whole:
        raise UserError(
            f"student=iga: no isomer set has an example in each of the domains {', '.join(domains)}; the examples of a set share "
            "meta.cluster"
        )
    if len(whole) < len(rows):
        log.warning("%d of %d isomer sets lack a domain and are left out", len(rows) - len(whole), len(rows))
    return np.array(whole, dtype=np.int64)


class SetPlan(Plan):
    """A plan whose rows are isomer sets, so that a step has ``batch_rows`` of them.

    Args:
        sets: ``[sets, domains]``, as :func:`find_sets` gives them.
        job: says how many to a step, and how often.
        corpus: the examples.
    """

    def __init__(self, sets: Ints, job: Job, corpus: Corpus) -> None:
        self.sets = sets
        super().__init__(
            corpus,
            row_tokens=int(corpus.lengths[sets].sum(axis=1).max()),
            batch_rows=job.config.batch_rows,
            seed=job.seed,
            epochs=job.epochs,
            token_budget=job.config.token_budget,
        )

    @classmethod
    def of(cls, job: Job, corpus: Corpus) -> SetPlan:
        """The plan of a prepared job."""
        return cls(np.load(job.own / FILE), job, corpus)

    def rows_of(self, epoch: int) -> Rows:
        """The sets in an order of the epoch's own."""
        count, domains = self.sets.shape
        order = np.random.default_rng([self.seed, epoch]).permutation(count)
        return Rows(self.sets[order].ravel(), np.arange(count + 1) * domains)


@dataclass(frozen=True)
class Part:
    """The examples of one domain in a step."""

    micro: tuple[MicroBatch, ...]
    targets: int
    """Supervised tokens of all of them."""


@dataclass(frozen=True)
class IsomerStep(Step):
    """A step by its domains; ``micro`` is empty."""

    parts: tuple[Part, ...] = ()


def by_domain(plan: Plan, number: int, rows: int, device: torch.device) -> IsomerStep:
    """Step ``number`` of a plan of sets, ``rows`` examples of one domain to a forward pass."""
    corpus, sets = plan.corpus, np.stack(plan.step_rows(number))
    parts = []
    for items in sets.T:
        chunks = [items[first : first + rows] for first in range(0, len(items), rows)]
        micro = tuple(micro_batch(corpus, chunk).to(device) for chunk in chunks)
        parts.append(Part(micro, int(corpus.targets[items].sum())))
    return IsomerStep((), *plan.totals(number), parts=tuple(parts))


def save_sets(sets: Ints, directory: Path) -> None:
    """Leave the sets for the training process."""
    directory.mkdir(parents=True, exist_ok=True)
    np.save(directory / FILE, sets)
