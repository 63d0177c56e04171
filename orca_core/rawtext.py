"""For responders that run models: raw text as token ids, by the rules of lm-eval's Hugging Face backend (0.4.13).

A tokenizer is any of transformers'. Special tokens that are spelt out in a text are these tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Ids = list[int]


def encode_raw(tokenizer: Any, texts: Sequence[str]) -> list[Ids]:
    """Each text with the special tokens that the tokenizer puts around a text, unless it begins with its first one itself.

    Of an empty text, the token that stands for the beginning: no model reads nothing.
    """
    first = _first(tokenizer)
    spelt = tokenizer.decode([first])
    found: list[Ids] = tokenizer(list(texts))["input_ids"] if texts else []
    for place, text in enumerate(texts):
        if text.startswith(spelt):
            found[place] = tokenizer.encode(text, add_special_tokens=False)
    return [ids or [first] for ids in found]


def encode_raw_choices(tokenizer: Any, asked: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[Ids, list[Ids]]]:
    """Of each text with what may continue it, the ids of the text and of each continuation.

    White space at the text's end goes to the continuation, whose tokens are those of both together without the first so many
    that the text alone has (``TemplateLM._encode_pair``). Behind an empty text, continuations are tokens by themselves.
    """
    wholes = iter(encode_raw(tokenizer, [whole for pair in asked if pair[0].strip() for whole in _wholes(*pair)]))
    found = []
    for text, ends in asked:
        if text.strip():
            beginning = next(wholes)
            found.append((beginning, [next(wholes)[len(beginning) :] for _ in ends]))
        else:
            found.append(_behind_nothing(tokenizer, [text + end for end in ends]))
    return found


def _wholes(text: str, ends: Sequence[str]) -> list[str]:
    return [text.rstrip(), *(text + end for end in ends)]


def _behind_nothing(tokenizer: Any, ends: Sequence[str]) -> tuple[Ids, list[Ids]]:
    first = _first(tokenizer)
    encoded: list[Ids] = tokenizer(list(ends), add_special_tokens=False)["input_ids"]
    return [first], [ids[1:] if ids[:1] == [first] else ids for ids in encoded]


def _first(tokenizer: Any) -> int:
    """The token that stands for the beginning of a text."""
    return int(tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id)
