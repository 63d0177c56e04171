"""What a teacher may be told about where it asks and what that may cost. Nothing of it changes an answer."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from orca_core import Config


def _plain_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should be a URL such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError("should hold no user name, password or query: keys come from the variable api_key_env names")
    return url.rstrip("/")


def _name_of_a_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("should be the NAME of an environment variable, such as OPENAI_API_KEY, not the key itself")
    return name


Url = Annotated[str, AfterValidator(_plain_url)]
Variable = Annotated[str, AfterValidator(_name_of_a_variable)]


class Endpoint(Config):
    """One of several places where the same model answers."""

    name: str = Field(min_length=1, description="what messages, the log and the report call it")
    api_base: Url | None = Field(default=None, description="its URL; null: the provider's own")
    api_key_env: Variable | None = Field(
        default=None, description="NAME of the variable with its key; null: the usual one"
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        description="its name of the model, with the provider, as of a deployment; null: the teacher's",
    )
    weight: float = Field(default=1.0, gt=0, description="its part of the requests beside the others'")
    workers: int | None = Field(
        default=None, ge=1, le=4096, description="requests in flight at once; null: the teacher's"
    )
    requests_per_minute: float | None = Field(
        default=None, gt=0, description="null: learnt from its headers, else unlimited"
    )
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="null: learnt from its headers, else unlimited"
    )


class Budget(Config):
    """Caps on all that was ever asked on an account; null: none. They hold over runs, processes and restarts of a store."""

    usd: float | None = Field(default=None, ge=0, description="dollars")
    requests: int | None = Field(
        default=None, ge=0, description="requests, failed ones that may have been billed included"
    )
    tokens: int | None = Field(default=None, ge=0, description="tokens of prompts and answers")
    account: str = Field(default="default", min_length=1, description="what is counted together under the caps")

    @property
    def capped(self) -> bool:
        """Whether there is a cap at all."""
        return (self.usd, self.requests, self.tokens) != (None, None, None)


class Price(Config):
    """Dollars for a million tokens, for models without a listed price or with another one; null: litellm's list."""

    prompt: float | None = Field(default=None, ge=0, description="dollars per million prompt tokens")
    completion: float | None = Field(default=None, ge=0, description="dollars per million completion tokens")
    batch: float | None = Field(
        default=None, ge=0, le=1, description="share of it that the batch API takes; null: half"
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Price:
        if (self.prompt is None) != (self.completion is None):
            raise ValueError("set both prompt and completion (0 for a model of your own), or neither")
        return self
