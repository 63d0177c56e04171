"""Counting the tokens of prompts offline, with the byte-pair tables of OpenAI's models that litellm brings along.

litellm itself is not imported: it takes seconds, and all that is wanted of it is two files.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

NEWEST: Final = "o200k_base"
"""The table for models that tiktoken does not know."""
TABLES: Final = {
    "cl100k_base": "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
    "o200k_base": "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
}
"""Where tiktoken would fetch a table; the SHA-1 of the URL is the name of its file in litellm's package."""
OPENAI: Final = ("openai", "azure")
PER_MESSAGE: Final = 3
"""Tokens that mark the beginning and end of a message, and as many that open the answer (OpenAI's cookbook)."""
BYTES_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Counts tokens; ``name`` and ``exact`` say how far to trust the count."""

    name: str
    exact: bool
    """Whether this is the model's own tokenizer."""
    length: Callable[[str], int]

    def count(self, messages: Iterable[Mapping[str, str]]) -> int:
        """The tokens of a chat prompt, with those that the format adds."""
        parts = (PER_MESSAGE + self.length(m["role"]) + self.length(m["content"]) for m in messages)
        return PER_MESSAGE + sum(parts)


@functools.cache
def find_tokenizer(provider: str, model: str) -> Tokenizer:
    """The tokenizer of an OpenAI model, their newest one for others, and a quarter of the bytes if there is no table."""
    name = _table_of(model) if provider in OPENAI else None
    encoding = _load(name or NEWEST)
    if encoding is None:
        return Tokenizer(f"a token per {BYTES_PER_TOKEN} bytes", False, _quarter_of_bytes)
    return Tokenizer(encoding.name, name is not None, lambda text: len(encoding.encode_ordinary(text)))


def _table_of(model: str) -> str | None:
    from tiktoken.model import encoding_name_for_model

    try:
        name: str = encoding_name_for_model(model)
    except KeyError:
        return None
    return name if name in TABLES else None


def _load(name: str) -> Any:
    """The encoding from litellm's file; None if the file is not there: tiktoken would go and fetch it."""
    import tiktoken

    spec = find_spec("litellm")  # finds, does not import
    package = Path(spec.origin).parent if spec is not None and spec.origin else Path()
    folder = package / "litellm_core_utils" / "tokenizers"
    if not (folder / hashlib.sha1(TABLES[name].encode()).hexdigest()).is_file():
        return None
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        return tiktoken.get_encoding(name)
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


def _quarter_of_bytes(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
