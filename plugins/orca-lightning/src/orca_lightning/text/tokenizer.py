"""The student's tokenizer: trained on the examples, or a base model's, with the chat template and ``[[PAD]]`` in place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_lightning.text.source import located
from orca_lightning.text.template import PAD, TEMPLATES, Template

Tokenizer = Any
"""A ``transformers.PreTrainedTokenizerFast``."""


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, template: Template, join_spaces: bool) -> Tokenizer:
    """A byte-level BPE in which every digit and every symbol is a token and frequent words are whole tokens.

    Any text can be encoded and comes back exactly. The same texts, in any order, give the same tokenizer.

    Args:
        texts: what to count words in.
        vocab_size: at most so many tokens, the 256 bytes and the specials included.
        template: gives the special tokens.
        join_spaces: a digit or symbol takes the space before it along (``" +"`` is one token), which shortens sequences.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Backend
    from transformers import PreTrainedTokenizerFast

    space = " ?" if join_spaces else ""
    pieces = rf" ?\p{{L}}+|{space}\p{{N}}|{space}[^\s\p{{L}}\p{{N}}]|\s+(?!\S)|\s+"
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pieces), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    end = template.end or "</s>"
    specials = [PAD, end, *([template.bos] if template.bos else []), *template.specials]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    fast: Any = PreTrainedTokenizerFast
    tokenizer = fast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=end,
        bos_token=template.bos,
        additional_special_tokens=list(template.specials),
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = template.jinja
    return tokenizer


def example_texts(examples: Iterable[Trace]) -> Iterator[str]:
    """Every text that a tokenizer will meet in the examples."""
    for example in examples:
        yield from (message["content"] for message in example.prompt.messages)
        yield example.text


def base_tokenizer(base: str, template: str | None) -> Tokenizer:
    """The tokenizer of a pretrained model, with ``[[PAD]]`` for padding and a chat template.

    Raises:
        UserError: it cannot be loaded, or has no chat template and none was chosen.
    """
    tokenizer = load_tokenizer(base)
    if template is not None:
        _install(tokenizer, TEMPLATES[template])
    elif tokenizer.chat_template is None:
        raise UserError(
            f"student.base: {base} has no chat template of its own; choose student.template={'|'.join(TEMPLATES)}"
        )
    if tokenizer.eos_token is None:
        raise UserError(
            f"student.base: the tokenizer of {base} has no end token; choose student.template=chatml, which adds one"
        )
    if tokenizer.pad_token in (None, tokenizer.eos_token):
        tokenizer.add_special_tokens({"pad_token": PAD})
    return tokenizer


def _install(tokenizer: Tokenizer, template: Template) -> None:
    if template.end is not None:
        tokenizer.add_special_tokens({"eos_token": template.end})
    if template.bos is not None:
        tokenizer.add_special_tokens({"bos_token": template.bos})
    if template.specials:
        tokenizer.add_special_tokens({"additional_special_tokens": list(template.specials)})
    tokenizer.chat_template = template.jinja


def load_tokenizer(source: str | Path) -> Tokenizer:
    """The tokenizer of a checkpoint directory or a Hugging Face id.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    place, more = located(source)
    try:
        return AutoTokenizer.from_pretrained(place, **more)
    except (OSError, ValueError) as error:
        raise UserError(f"no tokenizer could be loaded from '{source}': {error}") from error
