"""Examples with their queries, beside their tokens: for a method that has answers verified while it trains.

Imports neither torch nor transformers: the parent writes, the child reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from orca_core.component import Context
from orca_core.parts import resolve
from orca_core.plugins import load
from orca_core.records import Trace
from orca_core.tables import read_traces, write_traces
from orca_core.verify import Judge
from orca_core.workers import no_parts
from orca_lightning.job import Job


def keep_queries(job: Job, examples: Iterable[Trace], *, held_out: bool = False) -> int:
    """Write the examples that are trained on, or those held out; returns how many have a target to verify answers by."""
    from orca_lightning.text.prepare import Part

    known = 0

    def counted() -> Iterator[Trace]:
        nonlocal known
        for example in Part(examples, job.config.validation.share, held_out=held_out):
            known += example.prompt.query.target is not None
            yield example

    job.own.mkdir(parents=True, exist_ok=True)
    write_traces(_file(job, held_out), counted())
    return known


def kept_queries(job: Job, *, held_out: bool = False) -> list[Trace]:
    """What :func:`keep_queries` wrote; the sources of the job's corpus (``Corpus.sources``) are places in it."""
    return list(read_traces([_file(job, held_out)]))


def judge(job: Job) -> Judge:
    """Gives verdicts by the verifiers that the queries name, of whatever plugin."""
    context = Context(seed=job.seed, cache=job.own, make=no_parts)
    return Judge(lambda name: resolve(load(), "verifier", {"name": name}, "verifier").build(context))


def _file(job: Job, held_out: bool) -> Path:
    return job.own / f"{'held_out' if held_out else 'examples'}.parquet"
