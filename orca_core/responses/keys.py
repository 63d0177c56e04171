"""What decides an answer, and its name: requests, their canonical text and their keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

KEY_FORMAT: Final = 1
"""Part of every key; another number would buy every answer again."""

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_ASCII: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no blanks, UTF-8. NaN is refused."""
    return _CANONICAL.encode(value)


def stored_json(value: Any) -> str:
    """:func:`canonical_json`, escaped where it holds half of a surrogate pair, which servers send and UTF-8 cannot hold."""
    text = _CANONICAL.encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _ASCII.encode(value)
    return text


def encodable(text: str) -> str:
    """Text with a question mark for each half of a surrogate pair, for what is read and not given back."""
    return text.encode("utf-8", "replace").decode()


def make_request(
    model: str, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any], sample: int = 0
) -> dict[str, Any]:
    """What decides an answer. Settings that are None were not sent, so they are left out."""
    sent = {name: value for name, value in decoding.items() if value is not None}
    return {"model": model, "messages": list(messages), "decoding": sent, "sample": sample}


def request_key(
    model: str, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any], sample: int = 0
) -> bytes:
    """16 bytes of BLAKE2b over the canonical request and the key's format number.

    Args:
        model: as asked for, with its provider (``openai/gpt-4``).
        messages: in the OpenAI form.
        decoding: temperature, top_p, max_tokens, seed, stop, ...: whatever changes the text. Keys, hosts, time limits and
            names of runs do not belong in here.
        sample: the number of the answer when several are wanted of one prompt.
    """
    text = canonical_json([KEY_FORMAT, make_request(model, messages, decoding, sample)])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
