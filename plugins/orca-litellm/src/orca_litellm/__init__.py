"""orca-litellm: teachers behind any API that litellm reaches, from OpenAI, Azure and Anthropic to a server on your own desk.

Every answer is kept in the response log before it counts: whatever stage or run asks the same again, it is not bought again.
The key is read from the environment when the first request leaves, and is written nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from orca_core import Component, Config, Context, Responder, hookimpl, unkeyed


class LiteLLMConfig(Config):
    """Asks a model over the network through litellm: OpenAI, Azure, Anthropic, ... and any OpenAI-compatible server."""

    model: str = Field(
        min_length=1,
        description="litellm's name of the model, with its provider: openai/gpt-4, anthropic/..., and openai/NAME for the "
        "model NAME of any OpenAI-compatible server",
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="sampling temperature; null: the provider's default"
    )
    top_p: float | None = Field(None, gt=0, le=1, description="nucleus sampling; null: the provider's default")
    max_tokens: int | None = Field(None, ge=1, description="longest answer in tokens; null: the provider's limit")
    seed: int | None = Field(None, description="the provider's sampling seed, where it has one")
    stop: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, min_length=1, max_length=4, description="strings that end the answer"
    )
    api_base: str | None = unkeyed(
        None, description="URL of the endpoint, such as http://localhost:8000/v1; null: the provider's"
    )
    api_key_env: str | None = unkeyed(
        None,
        description="NAME of the environment variable that holds the key, never the key; null: the provider's usual variable",
    )
    workers: int = unkeyed(16, ge=1, le=4096, description="requests in flight at once")
    timeout: float = unkeyed(300.0, gt=0, description="seconds that one attempt may take")
    retries: int = unkeyed(
        6, ge=0, description="how often a failed request is tried again; waiting out a rate limit does not count"
    )

    @field_validator("api_base")
    @classmethod
    def _plain_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("should be a URL such as http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "should hold no user name, password or query: keys come from the variable api_key_env names"
            )
        return url.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _name_of_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(
                "should be the NAME of an environment variable, such as OPENAI_API_KEY, not the key itself"
            )
        return name

    @property
    def decoding(self) -> dict[str, Any]:
        """The settings that are sent and change the text."""
        settings = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": None if self.stop is None else list(self.stop),
        }
        return {name: value for name, value in settings.items() if value is not None}


def build(config: LiteLLMConfig, context: Context) -> Responder:
    """The teacher; litellm itself is loaded with the first prompt."""
    from orca_litellm.teacher import LiteLLMTeacher

    return LiteLLMTeacher(config, log=context.cache / "responses.sqlite")


LITELLM = Component("litellm", LiteLLMConfig, build)


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The teacher ``litellm``; the presets are configurations of it."""
    return [LITELLM]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """Presets: ``chatgpt``, ``gpt-4``, ``openai-compatible``."""
    return ["pkg://orca_litellm.conf"]
