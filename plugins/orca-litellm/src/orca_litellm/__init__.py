"""orca-litellm: teachers behind any API that litellm reaches, from OpenAI, Azure and Anthropic to a server on your own desk.

Every answer is kept in the response log before it counts: whatever stage or run asks the same again, it is not bought again.
The key is read from the environment when the first request leaves, and is written nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from orca_core import Component, Config, Context, Responder, hookimpl, unkeyed
from orca_litellm.settings import Budget, Endpoint, Price, Url, Variable

__all__ = ["Budget", "Endpoint", "LiteLLMConfig", "Price", "build"]


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
    api_base: Url | None = unkeyed(
        None, description="URL of the endpoint, such as http://localhost:8000/v1; null: the provider's"
    )
    api_key_env: Variable | None = unkeyed(
        None,
        description="NAME of the environment variable that holds the key, never the key; null: the provider's usual variable",
    )
    endpoints: tuple[Endpoint, ...] | None = unkeyed(
        None,
        min_length=1,
        description="several places that answer alike, with limits of their own; null: the one of api_base",
    )
    workers: int = unkeyed(16, ge=1, le=4096, description="requests in flight at once, at each endpoint")
    requests_per_minute: float | None = unkeyed(
        None, gt=0, description="never more; null: learnt from the endpoint's headers, else unlimited"
    )
    tokens_per_minute: float | None = unkeyed(
        None, gt=0, description="never more; null: learnt from the endpoint's headers, else unlimited"
    )
    timeout: float = unkeyed(300.0, gt=0, description="seconds that one attempt may take")
    retries: int = unkeyed(
        6, ge=0, description="how often a failed request is tried again; waiting out a rate limit does not count"
    )
    budget: Budget = unkeyed(Budget(), description="hard caps: usd, requests, tokens, over all runs of an account")
    price: Price = unkeyed(Price(), description="your own price: prompt and completion, in dollars per million tokens")
    batch: bool = unkeyed(False, description="ask through the provider's batch API: half the price, within a day")

    @model_validator(mode="after")
    def _fits_together(self) -> LiteLLMConfig:
        if self.endpoints is None:
            return self
        single = ("api_base", "api_key_env", "requests_per_minute", "tokens_per_minute")
        if doubled := [name for name in single if getattr(self, name) is not None]:
            raise ValueError(f"{', '.join(doubled)}: give it to each of the endpoints instead")
        names = [endpoint.name for endpoint in self.endpoints]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"endpoints: two are called '{twice[0]}'; give each a name of its own")
        return self

    @property
    def places(self) -> tuple[Endpoint, ...]:
        """The endpoints in full: model and workers filled in, and the one of ``api_base`` if none are listed."""
        if self.endpoints is not None:
            return tuple(
                e.model_copy(update={"model": e.model or self.model, "workers": e.workers or self.workers})
                for e in self.endpoints
            )
        return (
            Endpoint(
                name=(urlsplit(self.api_base).netloc if self.api_base else "") or self.model.split("/")[0],
                api_base=self.api_base,
                api_key_env=self.api_key_env,
                model=self.model,
                workers=self.workers,
                requests_per_minute=self.requests_per_minute,
                tokens_per_minute=self.tokens_per_minute,
            ),
        )

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
    from orca_litellm.teacher import LiteLLMTeacher, OnlineTeacher

    return (LiteLLMTeacher if config.batch else OnlineTeacher)(config, context)


LITELLM = Component("litellm", LiteLLMConfig, build)


@hookimpl
def orca_teachers() -> Iterable[Component[Any, Responder]]:
    """The teacher ``litellm``; the presets are configurations of it."""
    return [LITELLM]


@hookimpl
def orca_config_paths() -> Iterable[str]:
    """Presets: the paper's models, a teacher and an assistant of each provider of today, servers of one's own."""
    return ["pkg://orca_litellm.conf"]
