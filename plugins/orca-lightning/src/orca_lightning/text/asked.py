"""What a fitted student is asked, as tokens: chats by the template that it was trained with, raw text as it is."""

from __future__ import annotations

from collections.abc import Sequence

from orca_core.rawtext import encode_raw, encode_raw_choices
from orca_core.records import Prompt
from orca_lightning.text.encoding import Form, encode_continuations, encode_prompts
from orca_lightning.text.tokenizer import Tokenizer

Encoded = tuple[list[int], list[list[int]]]
"""Token ids of a prompt and of each of its choices."""


def encode_asked(tokenizer: Tokenizer, form: Form, prompts: Sequence[Prompt]) -> list[Encoded]:
    """Each prompt with its choices; those that demand ``raw`` by lm-eval's rules (:mod:`orca_core.rawtext`)."""
    raw = [prompt for prompt in prompts if prompt.decoding.get("raw")]
    chats = [prompt for prompt in prompts if not prompt.decoding.get("raw")]
    raws, others = iter(_raw(tokenizer, raw)), iter(_chats(tokenizer, form, chats))
    return [next(raws if prompt.decoding.get("raw") else others) for prompt in prompts]


def _raw(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[Encoded]:
    rated = iter(encode_raw_choices(tokenizer, [(p.query.text, p.choices) for p in prompts if p.choices]))
    written = iter(encode_raw(tokenizer, [p.query.text for p in prompts if not p.choices]))
    return [next(rated) if prompt.choices else (next(written), []) for prompt in prompts]


def _chats(tokenizer: Tokenizer, form: Form, prompts: Sequence[Prompt]) -> list[Encoded]:
    if not prompts:
        return []
    texts = [form.lead + choice for prompt in prompts for choice in prompt.choices]
    choices = iter(encode_continuations(tokenizer, texts))
    encoded = zip(prompts, encode_prompts(tokenizer, prompts), strict=True)
    return [(ids, [next(choices) for _ in prompt.choices]) for prompt, ids in encoded]
