"""The order of training as a pure function of (seed, step): which rows make a step, and a step as tensors.

Rows of all epochs form one stream, packed anew for each epoch; a step takes the next ``batch_rows`` of it. Nothing about the
position has to be saved but the step's number, and any number of processes can share a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from orca_lightning.network.attention import Documents, documents
from orca_lightning.network.loss import IGNORED
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.packing import Rows, alone, next_fit, pack

Ints = npt.NDArray[np.int64]
_ROUND = 128


@dataclass(frozen=True)
class MicroBatch:
    """Some rows, flattened, for one forward pass of ``tokens`` tokens."""

    input_ids: Tensor
    """``[1, tokens]``: the examples, then padding."""
    position_ids: Tensor
    """``[1, tokens]``, restarting at 0 in every document."""
    documents: Documents
    predict: Tensor
    """``[targets]``: the tokens after which a supervised one comes."""
    labels: Tensor
    """``[targets]``: the supervised tokens, then :data:`IGNORED`."""
    places: Tensor
    """``[targets]``: where these lie among the corpus' tokens, then -1; by them a method finds what belongs to a target."""

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Documents, Tensor, Tensor]:
        """The arguments of :class:`orca_lightning.network.loss.ResponseLoss`."""
        return self.input_ids, self.position_ids, self.documents, self.predict, self.labels

    def to(self, device: torch.device) -> MicroBatch:
        """The same on another device."""
        names = ("input_ids", "position_ids", "documents", "predict", "labels", "places")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@dataclass(frozen=True)
class Step:
    """One optimizer step: this process's micro-batches, and the totals over all processes."""

    micro: tuple[MicroBatch, ...]
    tokens: int
    targets: int
    square: int = 0
    """The sum over the documents of their lengths squared, which attention costs."""

    def to(self, device: torch.device) -> Step:
        """The same on another device."""
        return replace(self, micro=tuple(batch.to(device) for batch in self.micro))


class Plan:
    """Which examples share which row in which step.

    Args:
        corpus: the examples.
        row_tokens: tokens a row may hold.
        batch_rows: rows of a step, over all processes.
        seed: of the order.
        epochs: passes over the corpus.
        token_budget: if given, steps until so many tokens have been seen, whatever the epochs.
        packing: how examples share rows, as the config says; ``alone``: a row has one example, so a step has ``batch_rows`` of them.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        row_tokens: int,
        batch_rows: int,
        seed: int,
        epochs: int,
        token_budget: int | None = None,
        packing: Literal["best-fit", "next-fit", "naive", "alone"] = "best-fit",
    ) -> None:
        self.corpus, self.row_tokens, self.batch_rows, self.seed = corpus, row_tokens, batch_rows, seed
        self._lengths, self._targets, self.packing = corpus.lengths, corpus.targets, packing
        self.epoch_rows = lru_cache(maxsize=2)(self.rows_of)
        self.rows_per_epoch = len(self.epoch_rows(0))
        self.rows = self._rows_for(token_budget) if token_budget else epochs * self.rows_per_epoch
        self.steps = -(-self.rows // batch_rows)

    @property
    def fill(self) -> float:
        """Share of the rows' room that holds tokens."""
        return self._epoch_tokens / (self.rows_per_epoch * self.row_tokens)

    @property
    def factor(self) -> float:
        """Examples per row (the paper's: 2.7)."""
        return len(self.epoch_rows(0).items) / self.rows_per_epoch

    @property
    def _epoch_tokens(self) -> int:
        """Of all rows: an epoch may leave examples out."""
        return int(self._lengths[self.epoch_rows(0).items].sum())

    def rows_of(self, epoch: int) -> Rows:
        """Which examples share which row in an epoch, a function of the seed; what a method that groups them otherwise overrides."""
        into_rows = {"best-fit": pack, "alone": alone}.get(self.packing, next_fit)
        return into_rows(self._lengths, self.row_tokens, np.random.default_rng([self.seed, epoch]))

    def _rows_for(self, budget: int) -> int:
        """Rows until ``budget`` tokens are seen: whole epochs, and the beginning of the next."""
        epochs, rest = divmod(budget, self._epoch_tokens)
        rows = self.epoch_rows(epochs)
        seen = np.cumsum(np.add.reduceat(self._lengths[rows.items], rows.bounds[:-1]))
        return epochs * self.rows_per_epoch + int(np.searchsorted(seen, rest))

    def step_rows(self, step: int) -> list[Ints]:
        """The examples of each row of a step."""
        numbers = range(step * self.batch_rows, min((step + 1) * self.batch_rows, self.rows))
        return [self.epoch_rows(n // self.rows_per_epoch)[n % self.rows_per_epoch] for n in numbers]

    def totals(self, step: int) -> tuple[int, int, int]:
        """(tokens, supervised tokens, sum of squared lengths) of a step."""
        items = np.concatenate(self.step_rows(step))
        lengths = self._lengths[items]
        return int(lengths.sum()), int(self._targets[items].sum()), int((lengths**2).sum())


def micro_batch(
    corpus: Corpus, items: Ints, *, supervised: bool = True, documents_of: Sequence[Ints] | None = None
) -> MicroBatch:
    """Examples laid end to end, each a document; without ``supervised``, none of their tokens counts.

    With ``documents_of``, the examples of each of these groups are one document, which attention and positions run through.

    Tokens and targets are rounded up, by a document of padding that nothing attends to and by targets that are ignored: each
    new shape costs CPU kernels a set-up as long as the product itself.
    """
    sizes = corpus.lengths[items]
    where = np.repeat(corpus.starts[items] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    lengths = sizes if documents_of is None else np.array([corpus.lengths[group].sum() for group in documents_of])
    positions = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ids = corpus.ids[where].astype(np.int64)
    target = np.flatnonzero(corpus.supervised[where]) if supervised else positions[:0]
    padding = -len(ids) % _ROUND
    return MicroBatch(
        torch.from_numpy(np.pad(ids, (0, padding)))[None],
        torch.from_numpy(np.concatenate([positions, np.arange(padding)]))[None],
        documents(np.append(lengths, padding) if padding else lengths),
        torch.from_numpy(np.pad(target - 1, (0, -len(target) % _ROUND))),
        torch.from_numpy(np.pad(ids[target], (0, -len(target) % _ROUND), constant_values=IGNORED)),
        torch.from_numpy(np.pad(where[target], (0, -len(target) % _ROUND), constant_values=-1)),
    )


class Steps(Dataset[Step]):
    """The steps of a plan from ``start`` on, as process ``rank`` of ``world`` gets them.

    Every process makes the same number of forward passes (sharded training needs that): one that has run out of rows
    repeats one without supervision.
    """

    def __init__(self, plan: Plan, *, micro_rows: int, start: int = 0, rank: int = 0, world: int = 1) -> None:
        self.plan, self.micro_rows, self.start, self.rank, self.world = plan, micro_rows, start, rank, world

    def __len__(self) -> int:
        return self.plan.steps - self.start

    def __getitem__(self, index: int) -> Step:
        rows = self.plan.step_rows(self.start + index)
        return Step(tuple(self._micro(rows)), *self.plan.totals(self.start + index))

    def _micro(self, rows: Sequence[Ints]) -> Iterator[MicroBatch]:
        corpus, mine, size = self.plan.corpus, rows[self.rank :: self.world], self.micro_rows
        for first in range(0, len(rows[:: self.world]), size):
            group = mine[first : first + size]
            joined = (group or rows[:1]) if self.plan.packing == "naive" else None
            items = np.concatenate(group) if group else rows[0]
            yield micro_batch(corpus, items, supervised=bool(group), documents_of=joined)
