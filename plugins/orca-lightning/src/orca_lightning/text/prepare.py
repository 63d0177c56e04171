"""What the training process finds in place: the tokenizer and the examples as tokens, cached by content."""

from __future__ import annotations

from collections.abc import Iterable

from orca_core.records import Trace
from orca_lightning.job import Job
from orca_lightning.text.encoding import checked, encode_examples
from orca_lightning.text.template import TEMPLATES
from orca_lightning.text.tokenizer import Tokenizer, base_tokenizer, example_texts, load_tokenizer, train_tokenizer


def prepare(job: Job, examples: Iterable[Trace]) -> None:
    """Write the job's tokenizer and its examples as tokens.

    Args:
        job: says where.
        examples: iterated over more than once.

    Raises:
        UserError: no examples, an empty response, all too long, an unusable base.
    """
    tokenizer = starting_tokenizer(job, examples)
    tokenizer.save_pretrained(job.tokenizer)
    config = job.config
    corpus = encode_examples(examples, tokenizer, max_length=config.max_length, over_long=config.over_long)
    corpus.save(job.corpus)


def starting_tokenizer(job: Job, examples: Iterable[Trace]) -> Tokenizer:
    """The tokenizer of the previous phase, of the base, or a new one trained on the examples."""
    config = job.config
    if job.init is not None:
        return load_tokenizer(job.init)
    if config.base is not None:
        return base_tokenizer(config.base, config.template)
    assert config.model is not None  # the config makes sure that there is a base or a shape
    return train_tokenizer(
        example_texts(checked(examples)),
        vocab_size=config.model.vocab_size,
        template=TEMPLATES[config.template or "orca"],
        join_spaces=config.join_spaces,
    )
