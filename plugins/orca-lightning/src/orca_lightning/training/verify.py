"""A test of the student that is about to be trained, on its own examples: is what it learns from what it should be?

A loss curve does not show it when packed examples see each other: the loss is off by a thousandth and the gradient by three
quarters. So a few examples are run packed and one by one, and nothing is trained if losses or gradients differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from orca_core.errors import OrcaError, UserError
from orca_lightning.network.loss import ResponseLoss
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.steps import micro_batch

_EXAMPLES = 4
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Largest relative difference that rounding explains."""


class VerificationError(OrcaError):
    """The student would be trained on something else than it should be."""


@dataclass(frozen=True)
class Verified:
    """What was seen."""

    loss: float
    """Largest relative difference between an example's loss packed and alone."""
    gradient: float
    """The same of the gradients of the first and last matrices."""
    prompt: str
    """The end of an example's prompt."""
    target: str
    """The tokens of the same example that count, specials spelt out."""


def check_targets(corpus: Corpus) -> None:
    """Refuse examples that would teach nothing.

    Raises:
        UserError: some have no supervised token.
    """
    without = int((corpus.targets == 0).sum())
    if without:
        raise UserError(
            f"{without} of {len(corpus)} examples have no token to learn from; the first is example "
            f"{int(np.argmin(corpus.targets))}"
        )


def verify(loss: ResponseLoss, corpus: Corpus, tokenizer: Tokenizer, *, device: torch.device) -> Verified:
    """Compare packed and unpacked examples; sharded processes do this together. Leaves no gradients behind.

    Args:
        loss: the network, in the numbers and the place where it will be trained.
        corpus: the examples.
        tokenizer: to show them.
        device: where the network is.

    Raises:
        VerificationError: losses or gradients differ, or a target does not end with the end token.
    """
    items = _short_ones(corpus)
    training, rng = loss.training, torch.get_rng_state()
    loss.eval()
    try:
        packed, packed_gradients = _run(loss, corpus, [items], device)
        apart, apart_gradients = _run(loss, corpus, [items[i : i + 1] for i in range(len(items))], device)
    finally:
        loss.train(training)
        torch.set_rng_state(rng)
    seen = Verified(
        _difference(packed, apart), _gradient_difference(packed_gradients, apart_gradients), *_shown(corpus, tokenizer)
    )
    limit = _TOLERANCE.get(next(loss.parameters()).dtype, _TOLERANCE[torch.bfloat16])
    if torch.is_autocast_enabled(device.type):
        limit = _TOLERANCE[torch.bfloat16]
    if max(seen.loss, seen.gradient) > limit or not np.isfinite([seen.loss, seen.gradient]).all():
        raise VerificationError(
            f"examples that share a row do not train as they do alone: their losses differ by {seen.loss:.2g}, their "
            f"gradients by {seen.gradient:.2g} (rounding explains {limit:.0e}). Does the architecture "
            f"'{loss.model.config.model_type}' attend by other means than transformers' attention interface?"
        )
    return seen


def _short_ones(corpus: Corpus) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Examples of several lengths among the shorter ones, as few tokens as show what is to be shown."""
    order = np.argsort(corpus.lengths, kind="stable")
    return order[: max(1, len(order) // 2)][:: max(1, len(order) // 2 // _EXAMPLES)][:_EXAMPLES]


def _run(
    loss: ResponseLoss, corpus: Corpus, groups: list[Any], device: torch.device
) -> tuple[Tensor, dict[str, Tensor]]:
    batches = [micro_batch(corpus, items).to(device) for items in groups]
    with torch.no_grad():
        losses = [
            loss(*b.inputs, each=True)[: int(corpus.targets[i].sum())] for b, i in zip(batches, groups, strict=True)
        ]
    # the backward pass comes last: it is what leaves sharded parameters, and their gradients, sharded
    for batch in batches:
        loss(*batch.inputs).backward()
    gradients = _gradients(loss)
    loss.zero_grad()
    return torch.cat(losses), gradients


def _gradients(loss: ResponseLoss) -> dict[str, Tensor]:
    """Those of the first and the last two matrices that are trained: what leaks in any layer reaches the first."""
    named = [(n, p) for n, p in loss.model.named_parameters() if p.requires_grad and p.grad is not None and p.ndim == 2]
    chosen = {id(p): (n, p) for n, p in [*named[:2], *named[-2:]]}.values()
    return {n: (g.to_local() if isinstance(g := p.grad, DTensor) else g).detach().clone() for n, p in chosen}


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().mean().clamp(min=1e-6))


def _gradient_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    scale = max(float(g.norm()) for g in other.values()) or 1.0
    return max(float((one[n] - other[n]).norm()) / scale for n in other)


def _shown(corpus: Corpus, tokenizer: Tokenizer) -> tuple[str, str]:
    """The end of the first example's prompt, and its target; which must end with the end token.

    Raises:
        VerificationError: it does not.
    """
    here = slice(int(corpus.starts[0]), int(corpus.starts[1]))
    ids, counts = np.asarray(corpus.ids[here]), np.asarray(corpus.supervised[here])
    target = ids[counts]
    if target[-1] != tokenizer.eos_token_id:
        raise VerificationError(
            f"the response of the first example ends with {tokenizer.decode(target[-1:])!r}, not with the end token "
            f"{tokenizer.eos_token!r}: the student would not learn to stop"
        )
    return tokenizer.decode(ids[~counts][-24:]), tokenizer.decode(target)
