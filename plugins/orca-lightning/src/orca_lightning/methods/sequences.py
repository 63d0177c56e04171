"""Small corpora in memory: some examples of a larger one, answers of the policy's own, and what a model says of their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from orca_lightning.network.loss import ResponseLoss
from orca_lightning.text.corpus import Corpus
from orca_lightning.training.packing import pack
from orca_lightning.training.steps import MicroBatch, micro_batch

Ints = npt.NDArray[np.int64]
Example = tuple[Sequence[int], Sequence[bool]]
"""Token ids, and which of them are targets."""


def corpus_of(examples: Sequence[Example]) -> Corpus:
    """A corpus of examples that are numbered as they stand here."""
    lengths = np.array([len(ids) for ids, _ in examples], dtype=np.int64)
    supervised = [np.asarray(marks, dtype=np.bool_) for _, marks in examples]
    return Corpus(
        np.concatenate([np.asarray(ids, dtype=np.int64) for ids, _ in examples]),
        np.concatenate(supervised),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.array([int(marks.sum()) for marks in supervised], dtype=np.int64),
        np.arange(len(examples)),
    )


def example(corpus: Corpus, number: int) -> Example:
    """An example of a corpus."""
    here = slice(int(corpus.starts[number]), int(corpus.starts[number + 1]))
    return np.asarray(corpus.ids[here], dtype=np.int64).tolist(), np.asarray(corpus.supervised[here]).tolist()


def prompt_of(corpus: Corpus, number: int) -> list[int]:
    """An example up to where its last answer begins."""
    ids, targets = example(corpus, number)
    return list(ids[: len(ids) - list(reversed(targets)).index(False)])


def batches(
    corpus: Corpus, items: Ints, *, row_tokens: int, rows: int, rng: np.random.Generator, device: torch.device
) -> Iterator[MicroBatch]:
    """Examples in packed rows, so many rows to a batch."""
    packed = pack(corpus.lengths[items], row_tokens, rng)
    for first in range(0, len(packed), rows):
        chosen = [packed[row] for row in range(first, min(first + rows, len(packed)))]
        yield micro_batch(corpus, items[np.concatenate(chosen)]).to(device)


@torch.no_grad()
def token_losses(
    loss: ResponseLoss, corpus: Corpus, *, row_tokens: int, rows: int, device: torch.device
) -> npt.NDArray[np.float32]:
    """Cross-entropy of every target of a corpus, without dropout; ``[tokens]``, 0 where there is no target."""
    found = np.zeros(len(corpus.ids), dtype=np.float32)
    training = loss.training
    loss.eval()
    every = np.arange(len(corpus))
    for batch in batches(corpus, every, row_tokens=row_tokens, rows=rows, rng=np.random.default_rng(0), device=device):
        kept = batch.places >= 0
        found[batch.places[kept].cpu().numpy()] = loss(*batch.inputs, each=True)[kept].float().cpu().numpy()
    loss.train(training)
    return found
