"""What a model costs: by the config's own price, which wins, or by the entry in litellm's bundled price map.

Deliberately on the dear side, as a budget must hold: discounts for cached prompts, hours of the day and service tiers are left
out, and hidden reasoning counts at the dearest rate for output. Fees that are not per token (searches, images) are not in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orca_litellm import LiteLLMConfig

BATCH_SHARE: Final = 0.5
"""What providers' batch APIs take of the price, where nothing else is said."""
BATCH: Final = "_batches"
STEP: Final = re.compile(r"input_cost_per_token_above_(\d+)(k?)_tokens")
THINKING: Final = "output_cost_per_reasoning_token"


@dataclass(frozen=True, slots=True)
class Rate:
    """Dollars per token for requests of more than ``above`` prompt tokens."""

    above: int
    prompt: float
    completion: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """A model's rates, from short prompts to long ones. No ``batch`` rates: its batch API, if it has one, has no known price."""

    rates: tuple[Rate, ...]
    batch: tuple[Rate, ...] = ()

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Dollars for a request; above a step the dearer rate holds for all of its tokens."""
        return _cost(self.rates, prompt_tokens, completion_tokens)

    def batch_cost(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """Dollars for the same request through the provider's batch API; None if that has no known price."""
        return _cost(self.batch, prompt_tokens, completion_tokens) if self.batch else None


def find_tariff(config: LiteLLMConfig, entry: Mapping[str, Any] | None) -> Tariff | None:
    """The prices to count with; None for an unpriced model.

    Args:
        config: its ``price`` wins over the list.
        entry: the model's in litellm's price map (``Facts.price``); None if there is none.
    """
    own = config.price
    if own.prompt is not None and own.completion is not None:
        rates: tuple[Rate, ...] = (Rate(0, own.prompt / 1e6, own.completion / 1e6),)
        share = own.batch if own.batch is not None else BATCH_SHARE if config.batch else None
        return Tariff(rates, _share(rates, share))
    rates = tuple(_listed(entry or {}, ""))
    if not rates:
        return None
    if own.batch is not None:
        return Tariff(rates, _share(rates, own.batch))
    return Tariff(rates, tuple(_listed(entry or {}, BATCH)) or _share(rates, BATCH_SHARE if config.batch else None))


def unpriced(model: str) -> str:
    """What to tell about a model without a price, and what to write."""
    return (
        f"{model} is unpriced: litellm's list has no price for it; give it one in dollars per million tokens, e.g. "
        "teacher.price.prompt=0.5 teacher.price.completion=1.5 (0 and 0 for a server of your own)"
    )


def _cost(rates: tuple[Rate, ...], prompt_tokens: float, completion_tokens: float) -> float:
    rate = next((rate for rate in reversed(rates) if prompt_tokens > rate.above), rates[0])
    return prompt_tokens * rate.prompt + completion_tokens * rate.completion


def _share(rates: tuple[Rate, ...], share: float | None) -> tuple[Rate, ...]:
    return () if share is None else tuple(Rate(r.above, r.prompt * share, r.completion * share) for r in rates)


def _listed(entry: Mapping[str, Any], suffix: str) -> Iterator[Rate]:
    """The rates of an entry of litellm's price map, in ascending order of prompt length."""
    tiers = [] if suffix else entry.get("tiered_pricing") or []
    for tier in tiers:
        yield Rate(int(tier["range"][0]), float(tier["input_cost_per_token"]), _output(tier))
    prompt = entry.get(f"input_cost_per_token{suffix}")
    if tiers or prompt is None or entry.get(f"output_cost_per_token{suffix}") is None:
        return
    yield (base := Rate(0, float(prompt), _output(entry, "", suffix)))
    for above, step in sorted(_steps(entry, suffix)):
        output = _output(entry, step, suffix) or base.completion
        yield Rate(above, float(entry[f"input_cost_per_token{step}{suffix}"]), output)


def _steps(entry: Mapping[str, Any], suffix: str) -> Iterator[tuple[int, str]]:
    """``(200000, "_above_200k_tokens")`` for every length of prompt above which the entry has dearer rates."""
    for name in entry:
        if name.endswith(suffix) and (found := STEP.fullmatch(name.removesuffix(suffix) if suffix else name)):
            yield int(found[1]) * (1000 if found[2] else 1), f"_above_{found[1]}{found[2]}_tokens"


def _output(entry: Mapping[str, Any], step: str = "", suffix: str = "") -> float:
    names = (f"output_cost_per_token{step}{suffix}", *(() if step or suffix else (THINKING,)))
    return max(float(entry.get(name) or 0.0) for name in names)
