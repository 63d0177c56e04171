"""Batched generation with a key-value memory: what prompts share is run once, ended rows make room for waiting prompts.

Prompts of a family (:mod:`orca_lightning.answering.prefixes`) begin with keys and values that were computed once; equal prompts
(several samples of one) are run once altogether. A row that has ended leaves, and the next prompts take its place.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from orca_lightning.answering.decoding import Answer, Decoding, choose, logprob, penalised
from orca_lightning.answering.memory import Layers, Memory, Opening, next_scope
from orca_lightning.answering.prefixes import Ids, families
from orca_lightning.answering.reading import read, run_shared
from orca_lightning.network.model import Model

Stop = Callable[[int, Sequence[int]], bool]
"""Whether the answer to a prompt, given its number and the tokens so far, is complete."""
_REFILL = 8  # new prompts start once this part of the rows is free


@dataclass(frozen=True)
class Room:
    """What a batch may take."""

    rows: int = 64
    """Answers written at the same time."""
    tokens: int = 65_536
    """Prompts and answers of a batch together, at their longest (but there is always one row)."""

    def for_rows_of(self, longest: int) -> int:
        """How many rows there may be if the longest takes so many tokens."""
        return max(1, min(self.rows, self.tokens // longest))


def generate(
    model: Model,
    prompts: Sequence[Ids],
    decoding: Decoding,
    draws: Sequence[np.random.Generator],
    *,
    room: Room = Room(),
    stop: Stop | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Continue each prompt until an end token (kept), ``max_new_tokens``, the last position, or as ``stop`` says.

    Greedy answers are those of transformers' ``generate``; sampled ones do not depend on the other prompts, beyond rounding.
    The model is left as it is: what has to be in evaluation mode is for the caller to put there.

    Args:
        model: attends by scope (:mod:`orca_lightning.network.attention`).
        prompts: token ids, none empty, all shorter than the positions.
        decoding: how to choose tokens and when to stop.
        draws: a source of randomness per prompt.
        room: how much is worked on at the same time.
        stop: asked after each token.

    Yields:
        The number of a prompt and its answer, as soon as it is complete; in no particular order.
    """
    writer = _Writer(model, prompts, decoding, draws, room, stop)
    same: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        same[tuple(prompt)].append(number)
    distinct = sorted(same, key=lambda prompt: (-len(prompt), prompt))
    for family in families(distinct):
        yield from writer.add(family.shared, [number for i in sorted(family.members) for number in same[distinct[i]]])
    yield from writer.finish()


@dataclass
class _Row:
    """An answer that is being written."""

    number: int
    answer: Answer
    room: int
    """Tokens that it may have."""


class _Writer:
    """The rows at work: row ``i`` has slot ``i`` of the memory."""

    def __init__(
        self,
        model: Model,
        prompts: Sequence[Ids],
        decoding: Decoding,
        draws: Sequence[np.random.Generator],
        room: Room,
        stop: Stop | None,
    ) -> None:
        self.model, self.prompts, self.decoding = model, prompts, decoding
        self.draws, self.room, self.stop = draws, room, stop
        self.device = model.device
        self.memory = Memory(min(room.rows, len(prompts)))
        self.rows: list[_Row] = []
        self.tokens = torch.empty(0, dtype=torch.long, device=self.device)
        """``[rows]``: the newest of each row."""
        self.positions = self.tokens
        """``[rows]``: where they lie."""

    def add(self, shared: Ids, members: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        """Start the prompts of a family, longest first, working on until all are started."""
        waiting = deque(members)
        with torch.inference_mode():
            beginning = run_shared(self.model, tuple(shared))
        while waiting:
            longest = max(map(self._full, (waiting[0], *(row.number for row in self.rows))))
            limit = self.room.for_rows_of(longest)
            free = limit - len(self.rows)
            if free * _REFILL >= limit or free >= len(waiting):
                yield from self._start(
                    beginning, len(shared), [waiting.popleft() for _ in range(min(free, len(waiting)))]
                )
            else:
                yield from self._step()

    def finish(self) -> Iterator[tuple[int, Answer]]:
        """Work until no row is left."""
        while self.rows:
            yield from self._step()

    def _allowed(self, number: int) -> int:
        return min(self.decoding.max_new_tokens, self.decoding.positions - len(self.prompts[number]))

    def _full(self, number: int) -> int:
        """Tokens of a prompt with the longest answer to it."""
        return len(self.prompts[number]) + self._allowed(number)

    def _open(self, first: int, start: int, parts: Sequence[Ids]) -> Tensor:
        """Run what rows have behind ``start``, from slot ``first`` on: the last hidden state of each, ``[rows, hidden]``."""
        ids = pad_sequence([torch.tensor(part) for part in parts], batch_first=True).to(self.device)
        positions = torch.arange(start, start + ids.shape[1], device=self.device)[None]
        last = torch.tensor([len(part) - 1 for part in parts], device=self.device)
        return read(self.model, ids, positions, Opening(self.memory, first, start, last))

    def _start(self, beginning: Layers, start: int, numbers: Sequence[int]) -> Iterator[tuple[int, Answer]]:
        """Run prompts behind what they share, equal ones once, and choose their first tokens."""
        with torch.inference_mode():
            parts = list(dict.fromkeys(tuple(self.prompts[i][start:]) for i in numbers))
            place = {part: i for i, part in enumerate(parts)}
            sources = [place[tuple(self.prompts[i][start:])] for i in numbers]
            first, longest = len(self.rows), start + max(map(len, parts))
            self.memory.reserve(longest)
            self.memory.begin(first, len(parts), beginning, start)
            hidden = self._open(first, start, parts)
            if len(parts) < len(numbers):
                targets = range(first, first + len(numbers))
                self.memory.move([first + source for source in sources], list(targets), longest)
            logits = self.model.get_output_embeddings()(hidden)[sources]
            self.rows += [_Row(i, Answer(), self._allowed(i)) for i in numbers]
            lengths = torch.tensor([len(self.prompts[i]) for i in numbers], device=self.device)
            self.tokens = torch.cat([self.tokens, self._choose(logits, self.rows[first:])])
            self.positions = torch.cat([self.positions, lengths])
        yield from self._leave(first)

    def _step(self) -> Iterator[tuple[int, Answer]]:
        """One more token for every row."""
        with torch.inference_mode():
            lengths = [len(self.prompts[row.number]) + len(row.answer.tokens) for row in self.rows]
            self.memory.reserve(max(lengths))
            scope = next_scope(self.memory, self.positions, lengths, self.model.dtype)
            hidden = read(self.model, self.tokens[:, None], self.positions[:, None], scope)
            self.tokens = self._choose(self.model.get_output_embeddings()(hidden), self.rows)
            self.positions = self.positions + 1
        yield from self._leave(0)

    def _choose(self, logits: Tensor, rows: Sequence[_Row]) -> Tensor:
        liked = logits
        if self.decoding.repetition_penalty != 1:
            said = [[*self.prompts[row.number], *row.answer.tokens] for row in rows]
            liked = penalised(logits, said, self.decoding.repetition_penalty)
        tokens = choose(liked, self.decoding, [self.draws[row.number] for row in rows])
        for row, token in zip(rows, tokens.tolist(), strict=True):
            row.answer.tokens.append(token)
        if self.decoding.logprobs:
            for row, value in zip(rows, logprob(logits, tokens).tolist(), strict=True):
                row.answer.logprobs.append(value)
        return tokens

    def _ended(self, row: _Row) -> bool:
        tokens = row.answer.tokens
        if tokens[-1] in self.decoding.end or len(tokens) >= row.room:
            return True
        return self.stop is not None and self.stop(row.number, tokens)

    def _leave(self, first: int) -> Iterator[tuple[int, Answer]]:
        """Yield the rows from ``first`` on that have ended; rows from the end move into their slots."""
        ended = {i for i in range(first, len(self.rows)) if self._ended(self.rows[i])}
        if not ended:
            return
        done = [self.rows[i] for i in sorted(ended)]
        count = len(self.rows) - len(ended)
        gaps = [i for i in range(count) if i in ended]
        movers = [i for i in range(count, len(self.rows)) if i not in ended]
        moved = dict(zip(gaps, movers, strict=True))
        order = [moved.get(i, i) for i in range(count)]
        self.rows = [self.rows[i] for i in order]
        with torch.inference_mode():
            if movers:
                columns = max(len(self.prompts[self.rows[i].number]) + len(self.rows[i].answer.tokens) for i in gaps)
                self.memory.move(movers, gaps, columns)
            self.tokens, self.positions = self.tokens[order], self.positions[order]
        for row in done:
            yield row.number, row.answer
