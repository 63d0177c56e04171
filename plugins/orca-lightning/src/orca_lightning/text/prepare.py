"""What the training process finds in place: the tokenizer and the examples as tokens, encoded once for all fits on them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_lightning.job import Job
from orca_lightning.text.encoding import checked, encode_examples
from orca_lightning.text.template import TEMPLATES
from orca_lightning.text.tokenizer import Tokenizer, base_tokenizer, example_texts, load_tokenizer, train_tokenizer

_FORMAT = "2"
"""Of the directories of tokens: raised when they hold something else."""


def prepare(job: Job, examples: Iterable[Trace], cache: Path) -> None:
    """Leave the job's tokenizer and its examples as tokens, those held out apart.

    Args:
        job: says where.
        examples: iterated over more than once.
        cache: keeps tokens by their content: the same examples, tokenizer and limits are encoded once.

    Raises:
        UserError: no examples, none left to train on or to hold out, an empty response, all too long, an unusable base.
    """
    share = job.config.validation.share
    tokenizer = starting_tokenizer(job, examples)
    tokenizer.save_pretrained(job.tokenizer)
    _link(job.corpus, _encoded(job, tokenizer, Part(examples, share, held_out=False), cache))
    if share:
        _link(job.held_out, _encoded(job, tokenizer, Part(examples, share, held_out=True), cache))


@dataclass(frozen=True)
class Part:
    """The examples that are trained on, or those that are held out: a share of the queries, whatever else there is."""

    examples: Iterable[Trace]
    share: float
    held_out: bool

    def __iter__(self) -> Iterator[Trace]:
        empty = True
        for example in checked(self.examples):
            # ids are uniform hashes of the question, so a question is on the same side in every phase
            if (int(example.prompt.query.id, 16) < self.share * 16**16) == self.held_out:
                empty = False
                yield example
        if empty:
            what = "hold out" if self.held_out else "train on"
            raise UserError(f"student.validation.share={self.share} leaves no example to {what}: there are too few")


def _encoded(job: Job, tokenizer: Tokenizer, part: Part, cache: Path) -> Path:
    """The directory of a part's tokens in the cache, encoded if they are not there yet."""
    config = job.config
    digest = hashlib.blake2b(digest_size=16)
    settings = [tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template, tokenizer.eos_token, tokenizer.bos_token]
    for text in [_FORMAT, *settings, config.max_length, config.over_long]:
        digest.update(f"{text}\0".encode())
    for example in part:
        learnt = [turn.learnt for turn in example.prompt.query.history] or ""
        digest.update(
            f"{example.prompt.id} {len(example.text)} {example.text}{learnt}".encode("utf-8", "surrogatepass")
        )
    target = cache / "tokens" / digest.hexdigest()
    if not target.exists():
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        encode_examples(part, tokenizer, temporary, max_length=config.max_length, over_long=config.over_long)
        try:
            temporary.replace(target)
        except OSError:  # another process was faster
            shutil.rmtree(temporary)
    return target


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)


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
