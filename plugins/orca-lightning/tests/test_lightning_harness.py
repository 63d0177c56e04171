"""lm-eval on our checkpoints: it loads them, writes what our engine writes, and finds the same likelihoods."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from orca_lightning import LightningConfig, ModelShape
from orca_lightning.answering.decoding import Decoding
from orca_lightning.answering.generate import generate
from orca_lightning.answering.likelihood import Asked, log_likelihoods
from orca_lightning.network.lean import slim
from orca_lightning.network.model import load_model

from orca_core.records import Trace

WORDS = ["sum", "three and four", "seven", "so the answer is", "one, two", "what is left", "?", "nine"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from orca_lightning.job import Job
    from orca_lightning.training.start import write_untrained

    from orca_core.records import Prompt, Query

    traces = [Trace(Prompt(Query(f"{a} {b}", "t")), f"{b} {a}", model="m") for a in WORDS for b in WORDS]
    shape = ModelShape(
        hidden_size=64, layers=2, heads=4, intermediate_size=96, vocab_size=320, positions=256, init_std=0.3
    )
    job = Job(LightningConfig(model=shape, max_length=256), 0, None, tmp_path_factory.mktemp("harness"), 3)
    write_untrained(job, traces)
    return job.checkpoint


@pytest.fixture(scope="module")
def harness(checkpoint: Path) -> Any:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=4)


def questions(count: int) -> list[str]:
    draw = np.random.default_rng(0)
    return [" ".join(draw.choice(WORDS, int(draw.integers(3, 25)))) for _ in range(count)]


def request(*arguments: Any) -> Any:
    from lm_eval.api.instance import Instance

    return Instance("", {}, arguments, 0)


def test_likelihoods_of_options_are_those_of_lm_eval(checkpoint: Path, harness: Any) -> None:
    options = [" seven", " three and four", " nine", " so the answer is seven"]
    asked = questions(25)
    theirs = [score for score, _ in harness.loglikelihood([request(q, o) for q in asked for o in options])]
    model = load_model(checkpoint).eval()
    slim(model)
    encoded = [[harness._encode_pair(q, o) for o in options] for q in asked]
    found = log_likelihoods(model, [Asked(pairs[0][0], [ids for _, ids in pairs]) for pairs in encoded])
    ours = [[likelihood.logprob for likelihood in row] for row in found]
    assert np.array(ours).ravel() == pytest.approx(np.array(theirs), abs=1e-4)
    assert (np.argmax(ours, 1) == np.argmax(np.array(theirs).reshape(-1, 4), 1)).all()


def test_greedy_answers_are_those_of_lm_eval(checkpoint: Path, harness: Any) -> None:
    asked = questions(12)
    wishes = {"until": [harness.tokenizer.eos_token], "max_gen_toks": 16, "do_sample": False}
    theirs = harness.generate_until([request(q, wishes) for q in asked])
    model = load_model(checkpoint).eval()
    slim(model)
    prompts = [harness.tok_encode(q) for q in asked]
    decoding = Decoding(16, frozenset([harness.tokenizer.eos_token_id]), 256)
    found = dict(generate(model, prompts, decoding, [np.random.default_rng(0)] * len(prompts)))
    ours = [found[i].tokens for i in range(len(prompts))]
    assert [harness.tokenizer.decode(answer, skip_special_tokens=True) for answer in ours] == theirs
