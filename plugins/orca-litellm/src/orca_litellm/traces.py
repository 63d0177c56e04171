"""Traces out of what the log holds: a reply, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orca_core import Prompt, Trace, UserError
from orca_core.records import DEAD
from orca_litellm import LiteLLMConfig


def trace_of(config: LiteLLMConfig, prompt: Prompt, reply: Mapping[str, Any], decoding: Mapping[str, Any]) -> Trace:
    """The trace of a stored reply.

    Args:
        decoding: the config's, made once.
    """
    return Trace(
        prompt=prompt,
        text=reply["text"],
        model=config.model,
        finish_reason=reply["finish_reason"],
        prompt_tokens=reply["prompt_tokens"],
        completion_tokens=reply["completion_tokens"],
        latency_s=reply["latency_s"],
        cost_usd=reply["cost_usd"],
        decoding=decoding,
    )


def dead_trace(config: LiteLLMConfig, prompt: Prompt, reason: str) -> Trace:
    """The trace of a prompt that was given up."""
    return Trace(prompt=prompt, text="", model=config.model, finish_reason=DEAD, decoding=config.decoding, error=reason)


def refuse_choices(config: LiteLLMConfig, prompt: Prompt) -> None:
    """Raise UserError for a prompt that asks for likelihoods."""
    if prompt.choices:
        raise UserError(
            f"{config.model} cannot rate given choices (prompt {prompt.id}): chat APIs return no likelihoods of a text; "
            "use the evaluator's generating protocol"
        )
