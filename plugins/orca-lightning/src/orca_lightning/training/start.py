"""Where a fit begins: the model and tokenizer of the previous phase, of a base, or new ones."""

from __future__ import annotations

from collections.abc import Iterable

from orca_core.records import Trace
from orca_lightning.job import Job
from orca_lightning.network.model import Model, check_shape, fit_vocabulary, load_model, new_model
from orca_lightning.text.encoding import checked
from orca_lightning.text.template import TEMPLATES
from orca_lightning.text.tokenizer import Tokenizer, base_tokenizer, example_texts, load_tokenizer, train_tokenizer
from orca_lightning.training.checkpoint import export


def starting_point(job: Job, examples: Iterable[Trace]) -> tuple[Model, Tokenizer]:
    """Model and tokenizer before the first step.

    Raises:
        UserError: the previous checkpoint or the base cannot be used.
    """
    config = job.config
    if job.init is not None:
        return load_model(job.init), load_tokenizer(job.init)
    if config.base is not None:
        tokenizer = base_tokenizer(config.base, config.template)
        model = load_model(config.base)
        fit_vocabulary(model, tokenizer)
        if config.model is not None:
            check_shape(model, config.model, config.base)
        return model, tokenizer
    assert config.model is not None  # the config makes sure that there is a base or a shape
    tokenizer = train_tokenizer(
        example_texts(checked(examples)),
        vocab_size=config.model.vocab_size,
        template=TEMPLATES[config.template or "orca"],
        join_spaces=config.join_spaces,
    )
    return new_model(config.model, tokenizer, job.seed), tokenizer


def write_untrained(job: Job, examples: Iterable[Trace]) -> None:
    """Write the model as it is before the first step.

    Raises:
        UserError: as for :func:`starting_point`.
    """
    model, tokenizer = starting_point(job, examples)
    job.out.mkdir(parents=True, exist_ok=True)
    export(job.checkpoint, model, tokenizer)
