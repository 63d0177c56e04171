"""What asking will take, said before the first call: requests, tokens, dollars, hours, and how sure that is."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from orca_core import Estimate, Prompt
from orca_core.responses import Reader
from orca_core.stats import reservoir
from orca_litellm import Endpoint, LiteLLMConfig
from orca_litellm.ends import about_the_end
from orca_litellm.facts import Facts
from orca_litellm.keys import Keys
from orca_litellm.prices import Tariff, find_tariff, unpriced
from orca_litellm.tokens import Tokenizer, find_tokenizer

COUNTED: Final = 1000
"""Prompts whose tokens are counted; more are extrapolated from a random sample of so many."""
CHUNK: Final = 10_000
"""Prompts that are looked up in the log at a time."""
TYPICAL_ANSWER: Final = 300
"""Tokens of an explanation until the log knows better: between the 240 of ChatGPT and 360 of GPT-4 that follow from the
paper's rates and durations (484 and 605 tokens a request, answers 1.5 times as long) with FLAN's questions of about 240."""
TOKENS_PER_S: Final = 40.0
"""Speed at which an answer is written, until the log knows better."""
BATCH_HOURS: Final = 24.0
"""What providers promise for a batch."""


def estimate(
    config: LiteLLMConfig, facts: Facts, log: Path, prompts: Iterable[Prompt], today: date | None = None
) -> Estimate:
    """What the prompts that are not in the log will take; sends nothing and reads them as a stream.

    Args:
        config: whose model, settings, limits and price.
        facts: litellm's, of the same model.
        log: the response log, which need not be there.
        prompts: each is a request, equal ones the same.
        today: the day that a model's end is held against; the clock's if not given.
    """
    sample, requests, past = _look_up(config, log, prompts)
    if not sample:
        return Estimate(0, 0, 0, cost_usd=0.0, batch_usd=0.0, hours=0.0)
    tokenizer = find_tokenizer(facts.provider, facts.model)
    need = _need(config, past, tokenizer, sample, requests)
    tariff = find_tariff(config, facts.price)
    cost, batch = _dollars(tariff, need)
    hours, bound = (BATCH_HOURS, _batch_bound()) if config.batch else _hours(config.places, need)
    notes = (
        _about_money(config, tariff, batch if config.batch else cost, past),
        about_the_end(facts, today or date.today(), hours),
        *_about_lengths(facts, need, past, tokenizer, len(sample)),
        bound,
    )
    return Estimate(
        prompts=need.requests,
        prompt_tokens=round(need.prompt_tokens * need.requests),
        completion_tokens=round(need.completion_tokens * need.requests),
        cost_usd=batch if config.batch else cost,
        batch_usd=batch,
        hours=hours,
        notes=tuple(note for note in notes if note),
    )


@dataclass(frozen=True, slots=True)
class _Past:
    """What the log tells: means over this model's answers (None: it has none), and what the budget's account has spent."""

    completion_tokens: float | None = None
    latency_s: float | None = None
    spent_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class _Need:
    """So many requests, and what the mean one takes."""

    requests: int
    prompt_tokens: float
    completion_tokens: float
    latency_s: float


def _look_up(config: LiteLLMConfig, path: Path, prompts: Iterable[Prompt]) -> tuple[list[Prompt], int, _Past]:
    """A sample of the prompts without an answer in the log, how many requests they are, and what is known of answers."""
    import numpy as np

    keys = array("Q")  # 8 bytes a request, to count equal ones once
    with closing(Reader(path)) if path.exists() else nullcontext() as log:
        sample, _ = reservoir(_open(config, log, prompts, keys), COUNTED)
        past = _Past() if log is None else _past(config, log)
    return sample, int(np.unique(np.frombuffer(keys, dtype=np.uint64)).size) if keys else 0, past


def _past(config: LiteLLMConfig, log: Reader) -> _Past:
    model = config.model
    spent = log.spent(config.budget.account).usd
    return _Past(log.mean(model, "completion_tokens"), log.mean(model, "latency_s"), spent)


def _open(config: LiteLLMConfig, log: Reader | None, prompts: Iterable[Prompt], keys: array[int]) -> Iterator[Prompt]:
    """The prompts that the log has no answer to; leaves the beginnings of their keys in ``keys``."""
    remaining, key = iter(prompts), Keys(config)
    while some := list(islice(remaining, CHUNK)):
        keyed = {key(prompt): prompt for prompt in some}
        answered = log.answered(keyed) if log is not None else set()
        for name, prompt in keyed.items():
            if name not in answered:
                keys.append(int.from_bytes(name[:8], "big"))
                yield prompt


def _need(config: LiteLLMConfig, past: _Past, tokenizer: Tokenizer, sample: Sequence[Prompt], requests: int) -> _Need:
    answer = past.completion_tokens or float(min(TYPICAL_ANSWER, config.max_tokens or TYPICAL_ANSWER))
    prompt_tokens = sum(tokenizer.count(prompt.messages) for prompt in sample) / len(sample)
    return _Need(requests, prompt_tokens, answer, past.latency_s or answer / TOKENS_PER_S)


def _dollars(tariff: Tariff | None, need: _Need) -> tuple[float | None, float | None]:
    """By the mean request: the sum of all would fall under the dearer rates of very long prompts."""
    if tariff is None:
        return None, None
    batch = tariff.batch_cost(need.prompt_tokens, need.completion_tokens)
    cost = tariff.cost(need.prompt_tokens, need.completion_tokens)
    return cost * need.requests, None if batch is None else batch * need.requests


def _hours(places: Sequence[Endpoint], need: _Need) -> tuple[float, str]:
    """The time if every endpoint is busy all the while, each up to the narrowest of its bounds, and which those are."""
    tokens = need.prompt_tokens + need.completion_tokens
    per_minute, narrowest = 0.0, dict[str, list[str]]()
    for place in places:
        workers = place.workers or 1
        bounds = {f"{workers:,} at once of {need.latency_s:.1f} s each": workers * 60 / need.latency_s}
        if place.requests_per_minute is not None:
            bounds[f"{place.requests_per_minute:,.0f} requests/min"] = place.requests_per_minute
        if place.tokens_per_minute is not None:
            bounds[f"{place.tokens_per_minute:,.0f} tokens/min"] = place.tokens_per_minute / tokens
        bound = min(bounds, key=bounds.__getitem__)
        per_minute += bounds[bound]
        narrowest.setdefault(bound, []).append(place.name)
    free = [p.name for p in places if p.requests_per_minute is None and p.tokens_per_minute is None]
    unknown = f"; no limits are set for {', '.join(free)}: its headers may tell of some" if free else ""
    by = ", ".join(f"{bound} at {' and '.join(names)}" for bound, names in narrowest.items())
    return need.requests / per_minute / 60, f"time: bound by {by}{unknown}"


def _batch_bound() -> str:
    return (
        f"time: providers promise a batch within {BATCH_HOURS:.0f} hours; limits on what may be queued are not counted"
    )


def _about_money(config: LiteLLMConfig, tariff: Tariff | None, cost: float | None, past: _Past) -> str | None:
    """That there is no price, or that the budget will not do."""
    if tariff is None:
        return unpriced(config.model)
    left = None if config.budget.usd is None else max(0.0, config.budget.usd - past.spent_usd)
    if cost is None or left is None or cost <= left:
        return None
    return f"budget: the ${left:,.2f} left on account {config.budget.account} buy about {left / cost:.0%} of this"


def _about_lengths(facts: Facts, need: _Need, past: _Past, tokenizer: Tokenizer, counted: int) -> Iterator[str]:
    of = "all of them" if counted >= need.requests else f"{counted:,} of them"
    how = tokenizer.name if tokenizer.exact else f"{tokenizer.name}, not the model's own: an approximation"
    yield f"prompts: {need.prompt_tokens:,.0f} tokens each, counted on {of} with {how}"
    if past.completion_tokens is not None:
        yield f"answers: {need.completion_tokens:,.0f} tokens each, the mean of this model's answers in the log"
        return
    thinks = "; the model's hidden reasoning, billed as output, comes on top" if _thinks(facts) else ""
    yield f"answers: {need.completion_tokens:,.0f} tokens each, a guess until some are in the log{thinks}"


def _thinks(facts: Facts) -> bool:
    return bool((facts.price or {}).get("supports_reasoning"))
