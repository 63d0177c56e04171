"""orca-smollm2: SmolLM2-135M-Instruct, a real but weak language model, as a teacher that needs neither network nor key.

The model answers behind an OpenAI-compatible server in a child process, and is asked through the teacher ``litellm`` like
any other endpoint: log, retries, dead letters and all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from orca_core import Component, Config, Context, Responder, hookimpl, unkeyed

__all__ = ["SMOLLM2", "SmolLM2Config"]


class SmolLM2Config(Config):
    """SmolLM2-135M-Instruct on this machine's CPU, offline: fluent, but reasons badly; a weak assistant, not a teacher.

    For trying out the whole way from question to student without a key, not for explanations to learn from: of twelve
    sums, syllogisms or word problems it solves none to three.
    """

    temperature: float = Field(0.7, ge=0, le=2, description="sampling temperature; 0 takes the likeliest token")
    top_p: float = Field(0.95, gt=0, le=1, description="nucleus sampling")
    max_tokens: int = Field(512, ge=1, le=2048, description="longest answer in tokens")
    seed: int | None = Field(
        None, ge=0, description="the server's sampling seed, the same for every answer; null: none"
    )
    slots: int = unkeyed(2, ge=1, le=64, description="answers made at once; each takes 100 MB of memory")
    threads: int = unkeyed(1, ge=1, description="CPU threads; more are slower where others need the cores too")


def _build(config: SmolLM2Config, context: Context) -> Responder:
    from orca_smollm2.teacher import SmolLM2Teacher

    return SmolLM2Teacher(config, context)


SMOLLM2 = Component("smollm2", SmolLM2Config, _build)


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The teacher ``smollm2``."""
    return [SMOLLM2]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """The preset ``student=smollm2-135m``."""
    return ["pkg://orca_smollm2.conf"]
