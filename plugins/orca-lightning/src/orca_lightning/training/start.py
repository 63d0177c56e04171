"""Where a fit begins: the model of the previous phase, of a base, or a new one."""

from __future__ import annotations

from collections.abc import Iterable

from orca_core.records import Trace
from orca_lightning.job import Job
from orca_lightning.network.model import Model, check_shape, fit_vocabulary, load_model, new_model
from orca_lightning.text.prepare import starting_tokenizer
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.export import export


def starting_point(job: Job, tokenizer: Tokenizer) -> Model:
    """The model before the first step, with an embedding for each token of the tokenizer.

    Raises:
        UserError: the previous checkpoint or the base cannot be used.
    """
    config = job.config
    if job.init is not None:
        return load_model(job.init)
    if config.base is not None:
        model = load_model(config.base)
        fit_vocabulary(model, tokenizer)
        if config.model is not None:
            check_shape(model, config.model, config.base)
        return model
    assert config.model is not None  # the config makes sure that there is a base or a shape
    return new_model(config.model, tokenizer, job.seed)


def write_untrained(job: Job, examples: Iterable[Trace]) -> None:
    """Write the model as it is before the first step.

    Raises:
        UserError: as for :func:`starting_point`.
    """
    tokenizer = starting_tokenizer(job, examples)
    job.out.mkdir(parents=True, exist_ok=True)
    export(job.checkpoint, starting_point(job, tokenizer), tokenizer)
