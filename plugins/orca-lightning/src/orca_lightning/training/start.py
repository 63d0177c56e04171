"""Where a fit begins: the model of the previous phase, of a base, or a new one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from orca_core.records import Trace
from orca_lightning.job import Job
from orca_lightning.network.model import Model, check_shape, fit_vocabulary, load_model, new_model, skeleton
from orca_lightning.text.prepare import starting_tokenizer
from orca_lightning.text.tokenizer import Tokenizer
from orca_lightning.training.export import export, whole_weights
from orca_lightning.training.loading import local_copy


@dataclass(frozen=True)
class Start:
    """A model before the first step."""

    model: Model
    weights: Path | None = None
    """Safetensors to be read once the model is sharded, which has no values until then; None: it has its values."""


def starting_point(job: Job, tokenizer: Tokenizer) -> Start:
    """The model before the first step, with an embedding for each token of the tokenizer.

    Raises:
        UserError: the previous checkpoint or the base cannot be used.
    """
    config = job.config
    source = job.init or config.base
    if source is None:
        assert config.model is not None  # the config makes sure that there is a base or a shape
        return Start(new_model(config.model, tokenizer, job.seed))
    if config.strategy == "fsdp":
        weights = local_copy(source)
        start = Start(skeleton(weights, tokenizer), weights)
    else:
        start = Start(load_model(source, quantize=config.lora.quantize if config.lora else None))
        fit_vocabulary(start.model, tokenizer)
    if config.base is not None and config.model is not None:
        check_shape(start.model, config.model, config.base)
    return start


def write_untrained(job: Job, examples: Iterable[Trace]) -> None:
    """Write the model as it is before the first step.

    Raises:
        UserError: as for :func:`starting_point`.
    """
    tokenizer = starting_tokenizer(job, examples)
    job.out.mkdir(parents=True, exist_ok=True)
    alone = replace(job, config=job.config.model_copy(update={"strategy": "single"}))
    model = starting_point(alone, tokenizer).model
    export(job.checkpoint, model, tokenizer, whole_weights(model, job.config.export_dtype))
