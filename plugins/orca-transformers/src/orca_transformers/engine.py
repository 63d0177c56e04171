"""One copy of the model on one device: generates answers and rates choices, batch by batch."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import StoppingCriteriaList

from orca_core.records import DEAD, FINISHED
from orca_transformers.batching import Answer, Job, cut, size
from orca_transformers.config import TransformersConfig
from orca_transformers.decoding import SeededSampling, StopStrings
from orca_transformers.loading import Source, ends

CUT_OFF: Final = "length"
OUT_OF_MEMORY: Final = ("not enough memory", "can't allocate memory", "out of memory")
"""How devices without an exception type of their own say it."""


class Engine:
    """Answers batches of jobs.

    Raises:
        UserError: the model cannot be loaded.
    """

    def __init__(self, config: TransformersConfig, device: str | None) -> None:
        source = Source(config)
        self.config, self.place = config, device or "the devices"
        self.tokenizer, self.model = source.tokenizer(), source.model(device)
        self.ends = ends(self.model, self.tokenizer)
        self.takes = frozenset(inspect.signature(type(self.model).forward).parameters)
        self.budget = config.batch_tokens

    def answer(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """One answer per job, in any order. A batch that is too large for the memory is halved, and all later ones with it."""
        open_ = deque(cut(jobs, self.budget))
        while open_:
            batch = open_.popleft()
            answers = self._attempt(batch)
            if answers is not None:
                yield from answers
            elif (tried := min(self.budget, size(batch))) >= 2 * batch[0].columns:
                self.budget = tried // 2
                open_.extendleft(reversed(list(cut(batch, self.budget))))
            else:
                yield Answer(batch[0].number, finish_reason=DEAD, error=self._too_large(batch[0]))

    def _attempt(self, batch: list[Job]) -> list[Answer] | None:
        """The answers; None: out of memory, which is given back before anything else happens."""
        try:
            return self._generate(batch) if batch[0].room else self._rate(batch)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    def _too_large(self, job: Job) -> str:
        answer = f"an answer of up to {job.room:,}" if job.room else f"{job.rows} choices"
        return f"{self.place} has not enough memory for its {len(job.ids):,} tokens and {answer}"

    @torch.inference_mode()
    def _generate(self, batch: list[Job]) -> list[Answer]:
        ids, mask = self._padded([job.ids for job in batch])
        start, (first, *_) = ids.shape[1], batch
        room, temperature, top_p = first.room, first.temperature, self.config.top_p
        draws = [job.draw for job in batch]
        sampling = [SeededSampling(temperature, top_p, draws, start, room)] if temperature else []
        stops = StoppingCriteriaList([StopStrings(self.tokenizer, first.stop, start)] if first.stop else [])
        made = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=room,
            do_sample=False,  # the likeliest token, of scores out of which sampling left one
            use_cache=True,
            eos_token_id=sorted(self.ends) or None,
            logits_processor=sampling,
            stopping_criteria=stops,
        )
        return [self._ended(job, row) for job, row in zip(batch, made[:, start:].tolist(), strict=True)]

    def _ended(self, job: Job, tokens: list[int]) -> Answer:
        """An answer without what a row is filled up with after its end."""
        end = next((i for i, token in enumerate(tokens) if token in self.ends), None)
        kept = tokens if end is None else tokens[:end]
        number, text = job.number, self._decode(kept)
        if found := [at for stop in job.stop if (at := text.find(stop)) >= 0]:
            return Answer(number, text[: min(found)], FINISHED, self._tokens_until(job.stop, kept))
        return Answer(number, text, CUT_OFF, len(kept)) if end is None else Answer(number, text, FINISHED, end + 1)

    def _tokens_until(self, stops: Sequence[str], tokens: list[int]) -> int:
        """Tokens that were made until a stop string was whole, by bisection."""
        low, high = 1, len(tokens)
        while low < high:
            middle = (low + high) // 2
            text = self._decode(tokens[:middle])
            low, high = (low, middle) if any(stop in text for stop in stops) else (middle + 1, high)
        return low

    def _decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def _rate(self, batch: list[Job]) -> list[Answer]:
        """Log-likelihoods of all choices, as many rows at a time as the budget allows."""
        rows = [row for job in batch for row in job.rated]
        at_once = max(1, self.budget // max(job.columns for job in batch))
        rated = iter(
            [value for i in range(0, len(rows), at_once) for value in self._log_likelihoods(rows[i : i + at_once])]
        )
        return [_rated(job.number, [next(rated) for _ in job.choices]) for job in batch]

    @torch.inference_mode()
    def _log_likelihoods(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[tuple[float, bool]]:
        """Natural-log likelihood of each continuation given its prompt, and whether each of its tokens is the likeliest.

        Padded on the left, continuations end together; nothing is read behind their last tokens.
        """
        ids, mask = self._padded([[*prompt, *choice[:-1]] for prompt, choice in rows])
        longest = max(len(choice) for _, choice in rows)
        if longest == 0:
            return [(0.0, True)] * len(rows)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        wanted: dict[str, Any] = {"position_ids": positions, "logits_to_keep": longest}
        options = {name: value for name, value in wanted.items() if name in self.takes}
        logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False, **options).logits[:, -longest:]
        targets = self._padded([choice for _, choice in rows])[0].to(logits.device)
        greedy = (logits.argmax(-1) == targets).cpu().numpy()
        picked = logits.float().log_softmax(-1).gather(-1, targets[..., None])[..., 0].double().cpu().numpy()
        starts = [longest - len(choice) for _, choice in rows]
        return [(float(picked[i, start:].sum()), bool(greedy[i, start:].all())) for i, start in enumerate(starts)]

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids and mask, ``[rows, longest]``, padded on the left: every row's last token is in the last column."""
        longest = max(map(len, rows))
        ids = torch.tensor(np.array([[0] * (longest - len(row)) + list(row) for row in rows]))
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(longest)[None] >= longest - lengths[:, None]).long()
        return ids.to(self.model.device), mask.to(self.model.device)


def _rated(number: int, choices: Sequence[tuple[float, bool]]) -> Answer:
    logprobs, greedy = zip(*choices, strict=True)
    return Answer(number, logprobs=logprobs, greedy=greedy)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(word in str(error) for word in OUT_OF_MEMORY)
