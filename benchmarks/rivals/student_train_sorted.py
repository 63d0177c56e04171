"""A loop over plain transformers as a careful user writes it: examples of like length padded together, logits of targets alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import student_common
import torch
from student_common import RATE, ROW, ROWS, Clock, Data
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM


def work(folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data, clock = Data(folder), Clock()
    model: Any = AutoModelForCausalLM.from_pretrained(data.model)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), fused=True)
    micro = batches(np.diff(data.starts))
    order = np.random.default_rng(0).permutation(len(micro))
    seen = 0
    for first in range(0, len(order), ROWS):
        step = [micro[i] for i in order[first : first + ROWS]]
        targets = sum(int(np.diff(data.starts)[items].sum() - data.prompts[items].sum()) for items in step)
        for items in step:
            ids, mask, supervised = padded(data, items)
            hidden = model.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state[:, :-1]
            chosen = supervised[:, 1:]
            loss = cross_entropy(model.lm_head(hidden[chosen]), ids[:, 1:][chosen], reduction="sum") / targets
            loss.backward()
            seen += int(mask.sum())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.step(seen)
    return clock.figures()


def batches(lengths: Any) -> list[Any]:
    """Neighbours in order of length, as many as a row's tokens hold, padding included."""
    found: list[Any] = []
    order = np.argsort(lengths, kind="stable")
    first = 0
    for i in range(1, len(order) + 1):
        if i == len(order) or (i - first + 1) * lengths[order[i]] > ROW:
            found.append(order[first:i])
            first = i
    return found


def padded(data: Data, items: Any) -> tuple[Any, Any, Any]:
    """Token ids, mask and what is supervised, ``[examples, longest]``, padded on the right."""
    rows = [data.example(i) for i in items]
    longest = max(len(ids) for ids, _ in rows)
    ids, mask, supervised = (np.zeros((len(rows), longest), dtype=np.int64) for _ in range(3))
    for i, (tokens, prompt) in enumerate(rows):
        ids[i, : len(tokens)], mask[i, : len(tokens)], supervised[i, prompt : len(tokens)] = tokens, 1, 1
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(supervised).bool()


student_common.main(work)
