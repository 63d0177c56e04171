"""How far a policy is from the model that it began as, on what it writes itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from orca_lightning.methods import Reference, Rollout
from orca_lightning.methods.sequences import batches, corpus_of
from orca_lightning.network.loss import ResponseLoss

from orca_rasft.objectives import kl_divergence


@torch.no_grad()
def drift(
    loss: ResponseLoss,
    reference: Reference,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[Rollout]],
    *,
    row_tokens: int,
    rows: int,
    device: torch.device,
) -> float:
    """``KL(policy || reference)`` in nats per token, over answers that the policy drew at temperature 1; NaN without answers."""
    pairs = [(prompt, one.tokens) for prompt, some in zip(prompts, answers, strict=True) for one in some]
    if not pairs:
        return float("nan")
    corpus = corpus_of([([*p, *a], [*[False] * len(p), *[True] * len(a)]) for p, a in pairs])
    total = 0.0
    training = loss.training
    loss.eval()
    every, rng = np.arange(len(corpus)), np.random.default_rng(0)
    for batch in batches(corpus, every, row_tokens=row_tokens, rows=rows, rng=rng, device=device):
        kept = batch.places >= 0
        found = kl_divergence(loss(*batch.inputs, logits=True)[kept], reference.logits(batch)[kept])
        total += float(found.sum())
    loss.train(training)
    return total / int(corpus.targets.sum())
