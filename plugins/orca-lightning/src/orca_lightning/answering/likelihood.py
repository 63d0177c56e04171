"""Log-likelihoods of continuations: a prompt is run once, and its continuations branch off it.

A prompt with its continuations is one run of tokens: the prompt, then each continuation's tokens but the last (nothing is read
behind that). A continuation attends to the prompt and to itself, its positions go on from the prompt's. Only the last token of
the prompt and those of the continuations pass through the output layer; continuations of one token are all read from one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from orca_lightning.answering.memory import Layers, attention
from orca_lightning.answering.prefixes import Ids, families
from orca_lightning.answering.reading import read, run_shared
from orca_lightning.network.model import Model

_TOKENS = 4096  # of a forward pass
_LOGITS = 128  # positions that pass through the output layer at once: their logits stay in a CPU's cache
_ALIKE = 1.1  # the longest prompt of a group is at most so many times its shortest
_ROUND = 128  # tokens of a pass are a multiple of it: each new shape costs CPU kernels a set-up


@dataclass(frozen=True)
class Asked:
    """Token ids of a prompt (not empty) and of what may continue it."""

    prompt: Ids
    continuations: Sequence[Ids]

    @property
    def branches(self) -> int:
        """Tokens of the continuations that are run."""
        return sum(max(0, len(option) - 1) for option in self.continuations)


@dataclass(frozen=True)
class Likelihood:
    """Of a continuation, given its prompt."""

    logprob: float
    """Natural-log; 0 of one without tokens."""
    greedy: bool
    """Whether each of its tokens is the likeliest one."""


@dataclass(frozen=True)
class _Group:
    """Prompts of similar length as padded tensors: which token of the flat run each slot holds."""

    trunk: Tensor
    """``[asked, longest]``; padding is token ``tokens``, one beyond the end."""
    branches: Tensor
    """``[asked, most]``, likewise, of their continuations."""
    ends: Tensor
    """``[asked, 1 + most]``: which of the kept tokens are the last of the prompt and those of its continuations, or one beyond."""
    mask: Tensor
    """``[asked, 1, 1 + most, shared + longest + most]``: what each of these may see."""


@dataclass(frozen=True)
class Branches:
    """The scope of prompts with their continuations laid end to end, behind a beginning that all of them share."""

    groups: tuple[_Group, ...]
    kept: Tensor
    """``[kept]``: the last token of each prompt and those of its continuations, all in order."""
    shared: Layers = ()
    """Keys and values of the beginning, of one row."""
    length: int = 0
    """Tokens of it."""

    @property
    def keep(self) -> tuple[Tensor, Tensor]:
        """As :class:`orca_lightning.answering.reading.Reading` says."""
        return torch.zeros_like(self.kept), self.kept

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.network.attention.Scope` says; the batch is one flat row."""
        flat, *seen = (t[0].transpose(0, 1) for t in (query, key, value))
        out = _room(flat)
        for group in self.groups:
            q, (k, v) = _take(flat, group.trunk), self._trunk(layer, group, seen)
            _put(out, group.trunk, attention(q, k, v, scale, self._lower(q), causal=not self.shared))
            if group.branches.shape[1]:
                k, v = _behind((k, v), group, seen)
                _put(out, group.branches, attention(_take(flat, group.branches), k, v, scale, group.mask[:, :, 1:]))
        return out[None, :-1]

    def attend_kept(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As :class:`orca_lightning.answering.reading.Reading` says."""
        seen = [t[0].transpose(0, 1) for t in (key, value)]
        out = _room(query)
        for group in self.groups:
            k, v = _behind(self._trunk(layer, group, seen), group, seen)
            _put(out, group.ends, attention(_take(query, group.ends), k, v, scale, group.mask))
        return out[:-1]

    def _trunk(self, layer: int, group: _Group, seen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Keys and values of a group's prompts, and of what they share before them."""
        k, v = (_take(t, group.trunk) for t in seen)
        if not self.shared:
            return k, v
        keys, values = (t[:, :, : self.length].expand(len(k), -1, -1, -1) for t in self.shared[layer])
        return torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)

    def _lower(self, query: Tensor) -> Tensor | None:
        """Behind what is shared: all of that, and causal among themselves."""
        if not self.shared:
            return None
        tokens = query.shape[2]
        return torch.ones(tokens, self.length + tokens, dtype=torch.bool, device=query.device).tril(self.length)


def _room(flat: Tensor) -> Tensor:
    """Zeros like ``[tokens, heads, size]``, and a row more that takes what padding gives."""
    return flat.new_zeros(len(flat) + 1, *flat.shape[1:])


def _take(flat: Tensor, places: Tensor) -> Tensor:
    """Of ``[tokens, heads, size]`` those at ``places``, ``[asked, most]``, as ``[asked, heads, most, size]``.

    Padding takes the last token, whatever it is: nothing that counts attends to it.
    """
    taken = flat.index_select(0, places.clamp(max=len(flat) - 1).flatten())
    return taken.view(*places.shape, *flat.shape[1:]).transpose(1, 2)


def _put(out: Tensor, places: Tensor, attended: Tensor) -> None:
    """Lay ``[asked, most, heads, size]`` at its places."""
    out.index_copy_(0, places.flatten(), attended.flatten(0, 1))


def _behind(trunk: tuple[Tensor, Tensor], group: _Group, seen: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Keys and values of prompts, and of their continuations behind them."""
    if not group.branches.shape[1]:
        return trunk
    keys, values = (_take(t, group.branches) for t in seen)
    return torch.cat([trunk[0], keys], dim=2), torch.cat([trunk[1], values], dim=2)


@torch.inference_mode()
def log_likelihoods(model: Model, asked: Sequence[Asked]) -> list[list[Likelihood]]:
    """The likelihood of each continuation of each prompt.

    What many prompts begin with (worked examples) is run once.

    Args:
        model: attends by scope (:mod:`orca_lightning.network.attention`).
        asked: each prompt with its longest continuation fits into the model's positions.
    """
    result: list[list[Likelihood]] = [[] for _ in asked]
    for family in families([one.prompt for one in asked]):
        shared = run_shared(model, family.shared)
        cut = len(family.shared)
        mine = [replace(asked[i], prompt=asked[i].prompt[cut:]) for i in family.members]
        order = sorted(range(len(mine)), key=lambda i: len(mine[i].prompt))
        for batch in _batches(mine, order):
            found = _score(model, [mine[i] for i in batch], shared, cut)
            for i, likelihoods in zip(batch, found, strict=True):
                result[family.members[i]] = likelihoods
    return result


def _batches(asked: Sequence[Asked], order: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    tokens = 0
    for i in order:
        more = len(asked[i].prompt) + asked[i].branches
        if batch and tokens + more > _TOKENS:
            yield batch
            batch, tokens = [], 0
        batch.append(i)
        tokens += more
    yield batch


def _score(model: Model, asked: Sequence[Asked], shared: Layers, start: int) -> list[list[Likelihood]]:
    run = _lay_out(asked, start)
    ids, positions = (torch.from_numpy(a)[None].to(model.device) for a in (run.ids, run.positions))
    kept = torch.tensor(run.kept, device=model.device)
    scope = Branches(tuple(_groups(asked, run, start, model.device)), kept, shared, start)
    hidden = read(model, ids, positions, scope)
    values, greedy = _tell(model, hidden, torch.tensor(run.sources), torch.tensor(run.targets))
    ends = np.cumsum([len(option) for one in asked for option in one.continuations])
    starts = np.concatenate([[0], ends[:-1]])
    likelihoods = (
        Likelihood(float(values[a:b].sum()), bool(greedy[a:b].all())) for a, b in zip(starts, ends, strict=True)
    )
    return [[next(likelihoods) for _ in one.continuations] for one in asked]


@dataclass(frozen=True)
class _Run:
    """Prompts with their continuations laid end to end."""

    ids: np.ndarray[tuple[int], np.dtype[np.int64]]
    positions: np.ndarray[tuple[int], np.dtype[np.int64]]
    starts: list[int]
    """Of each question; its options follow it."""
    kept: list[int]
    """The tokens after which one is read, in order: the last of each question, and all that are run of its options."""
    firsts: list[int]
    """Where those of each question begin among them."""
    sources: list[int]
    """Of each token of each option: which of them it is read after."""
    targets: list[int]
    """The tokens of the options, in order."""


def _lay_out(asked: Sequence[Asked], start: int) -> _Run:
    ids, positions = list[int](), list[int]()
    starts, kept, firsts = list[int](), list[int](), list[int]()
    sources, targets = list[int](), list[int]()
    for one in asked:
        starts.append(len(ids))
        ids += one.prompt
        firsts.append(len(kept))
        kept.append(len(ids) - 1)
        length = start + len(one.prompt)
        positions += range(start, length)
        for option in one.continuations:
            if option:
                more = len(option) - 1
                sources += [firsts[-1], *range(len(kept), len(kept) + more)]
                targets += option
                kept += range(len(ids), len(ids) + more)
                ids += option[:-1]
                positions += range(length, length + more)
    padding = [0] * (-len(ids) % _ROUND)
    return _Run(np.array(ids + padding), np.array(positions + padding), starts, kept, firsts, sources, targets)


def _groups(asked: Sequence[Asked], run: _Run, start: int, device: torch.device) -> Iterator[_Group]:
    """Neighbours of similar length; the asked are sorted by it."""
    first = 0
    for i in range(1, len(asked) + 1):
        if i == len(asked) or len(asked[i].prompt) > max(_ALIKE * len(asked[first].prompt), 16):
            yield _group(asked[first:i], run, slice(first, i), start, device)
            first = i


def _group(asked: Sequence[Asked], run: _Run, members: slice, start: int, device: torch.device) -> _Group:
    lengths, branches = np.array([[len(q.prompt), q.branches] for q in asked]).T[:, :, None]
    longest, most = lengths.max(), branches.max()
    column, behind = np.arange(longest)[None], np.arange(most)[None]
    starts, firsts = (np.array(a[members])[:, None] for a in (run.starts, run.firsts))
    nothing, none_kept = len(run.ids), len(run.kept)
    trunk = np.where(column < lengths, starts + column, nothing)
    branch = np.where(behind < branches, starts + lengths + behind, nothing)
    ends = np.concatenate([firsts, np.where(behind < branches, firsts + 1 + behind, none_kept)], axis=1)
    owners = np.full((len(asked), 1 + most), -1)
    for row, one in zip(owners[:, 1:], asked, strict=True):
        sizes = [max(0, len(option) - 1) for option in one.continuations]
        row[: sum(sizes)] = np.repeat(np.arange(len(sizes)), sizes)
    own = (owners[:, :, None] == owners[:, None, 1:]) & np.tri(1 + most, most, -1, dtype=bool)
    seen = np.broadcast_to((column < lengths)[:, None], (len(asked), 1 + most, longest))
    before = np.ones((len(asked), 1 + most, start), dtype=bool)
    mask = np.concatenate([before, seen, own], axis=2)[:, None]
    return _Group(*(torch.from_numpy(a).to(device) for a in (trunk, branch, ends, mask)))


def _tell(model: Model, hidden: Tensor, sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How likely tokens are behind hidden states.

    Args:
        model: has the output layer.
        hidden: ``[states, hidden]``.
        sources: ``[targets]``: the state behind which each stands.
        targets: ``[targets]``.

    Returns:
        Natural-log likelihoods in double precision, and whether each is the likeliest one; ``[targets]`` both.
    """
    values, greedy = torch.zeros(len(targets), dtype=torch.float64), torch.ones(len(targets), dtype=torch.bool)
    head = model.get_output_embeddings()
    for number, states in enumerate(torch.split(hidden, _LOGITS)):
        inside = torch.nonzero(sources.div(_LOGITS, rounding_mode="floor") == number)[:, 0]
        rows, wanted = (t.to(hidden.device) for t in (sources[inside] - number * _LOGITS, targets[inside]))
        logits = head(states).float()
        chosen, greatest = logits[rows, wanted], logits.amax(-1, keepdim=True)
        total = logits.sub_(greatest).exp_().sum(-1).log_() + greatest[:, 0]
        values[inside] = (chosen - total[rows]).double().cpu()
        greedy[inside] = (chosen >= greatest[rows, 0]).cpu()
    return values, greedy
