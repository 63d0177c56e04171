"""Examples as tokens: where the prompt ends and the response begins, decided once, for training and answering alike.

A prompt is encoded by itself, exactly as it will be when the student is asked; the response is encoded as its continuation
and closed by the end token. So the boundary never falls inside a token, and what is trained on is what will be generated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from orca_core.errors import UserError
from orca_core.rawtext import encode_raw, encode_raw_choices
from orca_core.records import Prompt, Trace
from orca_lightning.text.corpus import CorpusWriter
from orca_lightning.text.tokenizer import Tokenizer

_CHUNK = 8192  # examples encoded at a time: bounds the memory that rendered text takes


def encode_asked(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[tuple[list[int], list[list[int]]]]:
    """Token ids of each prompt and of its choices; raw text is encoded as lm-eval does (:mod:`orca_core.rawtext`)."""
    found: dict[int, tuple[list[int], list[list[int]]]] = {}
    raw = [i for i, prompt in enumerate(prompts) if prompt.decoding.get("raw")]
    rated = [i for i in raw if prompts[i].choices]
    written = [i for i in raw if not prompts[i].choices]
    pairs = encode_raw_choices(tokenizer, [(prompts[i].query.text, prompts[i].choices) for i in rated])
    found |= zip(rated, pairs, strict=True)
    texts = encode_raw(tokenizer, [prompts[i].query.text for i in written])
    found |= zip(written, ((ids, []) for ids in texts), strict=True)
    chats = [i for i in range(len(prompts)) if i not in found]
    choices = iter(encode_continuations(tokenizer, [choice for i in chats for choice in prompts[i].choices]))
    for i, ids in zip(chats, encode_prompts(tokenizer, [prompts[i] for i in chats]) if chats else (), strict=True):
        found[i] = ids, [next(choices) for _ in prompts[i].choices]
    return [found[i] for i in range(len(prompts))]


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Token ids of each prompt up to where the response begins."""
    texts = tokenizer.apply_chat_template(
        [prompt.messages for prompt in prompts], tokenize=False, add_generation_prompt=True
    )
    return [e.ids for e in tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def encode_continuations(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts that continue a prompt. A special token spelt out in a text is text."""
    backend = tokenizer.backend_tokenizer
    anchor = "\n" if _adds_prefix(tokenizer) else ""
    skip = len(backend.encode(anchor, add_special_tokens=False).ids)
    before, backend.encode_special_tokens = backend.encode_special_tokens, True
    try:
        encoded = backend.encode_batch_fast([anchor + text for text in texts], add_special_tokens=False)
    finally:
        backend.encode_special_tokens = before
    return [e.ids[skip:] for e in encoded]


def _adds_prefix(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer puts a space before every text (as SentencePiece models do), which a continuation must not get."""

    def ids(text: str) -> list[int]:
        return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    return ids("\na")[len(ids("\n")) :] != ids("a")


def checked(examples: Iterable[Trace]) -> Iterator[Trace]:
    """The examples themselves.

    Raises:
        UserError: there are none, or one has an empty response.
    """
    example = None
    for example in examples:
        if not example.text.strip():
            raise UserError(f"example {example.prompt.id} (task '{example.prompt.query.task}') has an empty response")
        yield example
    if example is None:
        raise UserError("there are no examples to train on; see what the selector dropped and why")


def encode_examples(
    examples: Iterable[Trace],
    tokenizer: Tokenizer,
    path: Path,
    *,
    max_length: int,
    over_long: Literal["truncate", "drop"] = "truncate",
) -> None:
    """Write every example as prompt, response and end token: a directory of :class:`orca_lightning.text.corpus.Corpus`.

    An example of more than ``max_length`` tokens loses the beginning of its prompt (all but one token at the most) or is
    dropped; one whose response alone is too long is dropped: an answer is never cut. Examples are encoded a chunk at a time,
    on all cores; memory does not grow with their number, but for two numbers each.

    Raises:
        UserError: there are no examples, one has an empty response, or none is short enough.
    """
    writer = CorpusWriter(path, len(tokenizer))
    source, truncated, dropped = checked(examples), 0, 0
    while chunk := list(islice(source, _CHUNK)):
        prompts = encode_prompts(tokenizer, [example.prompt for example in chunk])
        responses = encode_continuations(tokenizer, [example.text for example in chunk])
        for prompt, response in zip(prompts, responses, strict=True):
            excess = len(prompt) + len(response) + 1 - max_length
            if excess > 0 and (over_long == "drop" or excess >= len(prompt)):
                dropped += 1
                continue
            truncated += excess > 0
            writer.add(prompt[max(excess, 0) :], [*response, tokenizer.eos_token_id])
    if not writer.lengths:
        raise UserError(f"all {dropped} examples are longer than student.max_length={max_length} tokens")
    writer.close(truncated=truncated, dropped=dropped)
