"""For responders: what a prompt demands over their own settings (:class:`orca_core.records.Decoding`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Generic, TypeVar

from pydantic import ValidationError

from orca_core.component import Config
from orca_core.errors import UserError
from orca_core.records import Decoding, Prompt

C = TypeVar("C", bound=Config)


def by_decoding(prompts: Iterable[Prompt]) -> Iterator[tuple[Decoding, Iterator[Prompt]]]:
    """Runs of prompts that demand the same, streamed: a run is to be used up before the next one is pulled."""
    return groupby(prompts, key=lambda prompt: prompt.decoding)


class Redecoded(Generic[C]):
    """A responder's config with what prompts demand put under the same names, each variant made once."""

    def __init__(self, config: C) -> None:
        self._config = config
        self._made = {_name({}): config}

    def __call__(self, decoding: Decoding) -> C:
        """The config for a prompt that demands this.

        Raises:
            UserError: the responder has no such setting, or does not take that value of it.
        """
        name = _name(decoding)
        if name not in self._made:
            self._made[name] = self._make(decoding)
        return self._made[name]

    def _make(self, decoding: Decoding) -> C:
        kind = type(self._config)
        for name, value in decoding.items():
            if name == "raw":
                raise UserError(
                    "a prompt is raw text to be continued, and this responder answers chats; have it asked as a chat "
                    "(evaluator.lm-eval.chat=true)"
                )
            if name not in kind.model_fields:
                raise UserError(f"a prompt demands {name}={value!r}: {kind.__name__} has no such setting")
        try:
            return kind.model_validate(self._config.model_dump() | decoding)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(f"a prompt demands {where}={first['input']!r}: {first['msg']}") from None


def _name(decoding: Decoding) -> str:
    return json.dumps(decoding, sort_keys=True) if decoding else ""
