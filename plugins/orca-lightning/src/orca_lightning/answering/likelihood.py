"""Log-likelihoods of given continuations: a prompt is run once, and all its continuations at once as branches of it.

Of a continuation only what predicts something is run: all of its tokens but the last, and its first is predicted by the end of
the prompt. So choosing among letters costs no more than the prompts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from orca_lightning.network.attention import Documents, documents
from orca_lightning.network.loss import CHUNK
from orca_lightning.network.model import Model

Ints = npt.NDArray[np.int64]
TOKENS: Final = 8192
"""Tokens of a forward pass, about."""


@dataclass(frozen=True)
class Asked:
    """A prompt as tokens, and the continuations to be scored; an empty one has likelihood 1."""

    prompt: Sequence[int]
    continuations: Sequence[Sequence[int]]

    @property
    def branch_tokens(self) -> int:
        """Tokens of the continuations that have to be run."""
        return sum(max(0, len(continuation) - 1) for continuation in self.continuations)


@dataclass(frozen=True)
class Branches:
    """The scope of prompts laid end to end, then branches: each token of one sees its prompt, and its branch up to itself."""

    prompts: Documents
    tokens: int
    """Of the prompts; the branches' follow."""
    queries: Tensor
    """``[prompts, most]``: the branch tokens of each prompt; padding repeats the first token of all."""
    keys: Tensor
    """``[prompts, longest + most]``: the prompt's tokens, then its branches'."""
    seen: Tensor
    """``[prompts, 1, most, longest + most]``: which keys a query sees."""
    place: Tensor
    """``[branch tokens]``: where each lies among the flattened queries."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.network.attention.Scope` says."""
        here = slice(self.tokens)
        first = self.prompts.attend(layer, query[:, :, here], key[:, :, here], value[:, :, here], scale)
        if not len(self.place):
            return first
        q, k, v = (
            t[0].index_select(1, index.flatten()).view(t.shape[1], *index.shape, -1).transpose(0, 1)
            for t, index in ((query, self.queries), (key, self.keys), (value, self.keys))
        )
        grouped = q.shape[1] != k.shape[1]
        out = scaled_dot_product_attention(q, k, v, attn_mask=self.seen, scale=scale, enable_gqa=grouped)
        branches = out.transpose(1, 2).flatten(0, 1).index_select(0, self.place)
        return torch.cat([first, branches[None]], dim=1)


def branches(asked: Sequence[Asked], device: torch.device) -> Branches:
    """The scope of some prompts and their continuations."""
    lengths = np.array([len(a.prompt) for a in asked])
    sizes = np.array([a.branch_tokens for a in asked])
    most, longest, tokens = int(sizes.max()), int(lengths.max()), int(lengths.sum())
    starts, begins = np.cumsum(lengths) - lengths, tokens + np.cumsum(sizes) - sizes
    column, branch_column = np.arange(longest), np.arange(most)
    inside, branch_inside = column < lengths[:, None], branch_column < sizes[:, None]
    queries = np.where(branch_inside, begins[:, None] + branch_column, 0)
    keys = np.concatenate([np.where(inside, starts[:, None] + column, 0), queries], axis=1)
    seen = np.zeros((len(asked), 1, most, longest + most), dtype=bool)
    for row, a in enumerate(asked):
        seen[row, 0, :, : lengths[row]] = True
        end = 0
        for continuation in a.continuations:
            here = slice(end, end := end + max(0, len(continuation) - 1))
            size = here.stop - here.start
            seen[row, 0, here, longest + here.start : longest + here.stop] = np.tri(size, dtype=bool)
    on = [torch.from_numpy(x).to(device) for x in (queries, keys, seen, np.flatnonzero(branch_inside))]
    return Branches(documents(lengths).to(device), tokens, *on)


@torch.inference_mode()
def log_likelihoods(model: Model, asked: Sequence[Asked]) -> list[list[float]]:
    """Natural-log likelihood of each continuation, given its prompt.

    Args:
        model: attends by scope.
        asked: prompts, none empty, with their continuations.
    """
    result: list[list[float]] = [[] for _ in asked]
    for batch in _batches(asked):
        scored = _score(model, [asked[i] for i in batch])
        for i, values in zip(batch, scored, strict=True):
            result[i] = values
    return result


def _batches(asked: Sequence[Asked]) -> Iterator[list[int]]:
    """Prompts of similar length together, as many as a pass takes."""
    batch, tokens = list[int](), 0
    for i in sorted(range(len(asked)), key=lambda i: (len(asked[i].prompt), asked[i].branch_tokens)):
        size = len(asked[i].prompt) + asked[i].branch_tokens
        if batch and tokens + size > TOKENS:
            yield batch
            batch, tokens = [], 0
        batch.append(i)
        tokens += size
    if batch:
        yield batch


def _score(model: Model, asked: Sequence[Asked]) -> list[list[float]]:
    ids = [token for a in asked for token in a.prompt]
    ids += [token for a in asked for c in a.continuations for token in c[:-1]]
    positions = [p for a in asked for p in range(len(a.prompt))]
    positions += [len(a.prompt) + p for a in asked for c in a.continuations for p in range(len(c) - 1)]
    scope = branches(asked, model.device)
    told = (torch.tensor([x], device=model.device) for x in (ids, positions))
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    input_ids, position_ids = told
    hidden = decoder(input_ids=input_ids, position_ids=position_ids, scope=scope, use_cache=False).last_hidden_state[0]
    rows, labels, owners = _predictions(asked, scope.tokens)
    positions_used, which = np.unique(rows, return_inverse=True)  # the end of a prompt predicts all its first tokens
    used = torch.from_numpy(positions_used).to(model.device)
    scores = np.empty(len(rows))
    for first in range(0, len(used), CHUNK):
        mine = np.flatnonzero((which >= first) & (which < first + CHUNK))
        logits = head(hidden[used[first : first + CHUNK]]).float()
        row, label = (torch.from_numpy(x[mine]).to(model.device) for x in (which - first, labels))
        scores[mine] = (logits[row, label] - logits.logsumexp(-1)[row]).double().numpy(force=True)
    totals = np.zeros(sum(len(a.continuations) for a in asked))
    np.add.at(totals, owners, scores)
    values = iter(totals.tolist())
    return [[next(values) for _ in a.continuations] for a in asked]


def _predictions(asked: Sequence[Asked], tokens: int) -> tuple[Ints, Ints, Ints]:
    """Of each token of the continuations: which token predicts it, which it is, and whose (counted over all)."""
    rows, labels, owners = list[int](), list[int](), list[int]()
    end, branch, owner = -1, tokens, 0
    for a in asked:
        end += len(a.prompt)
        for continuation in a.continuations:
            if continuation:
                rows += [end, *range(branch, branch + len(continuation) - 1)]
                branch += len(continuation) - 1
            labels += continuation
            owners += [owner] * len(continuation)
            owner += 1
    return tuple(np.array(x, dtype=np.int64) for x in (rows, labels, owners))  # type: ignore[return-value]
