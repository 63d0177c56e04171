"""Training by orca-lightning: what ``orca run`` does in its child process."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import student_common
from orca_lightning import LightningConfig
from orca_lightning.job import Job
from orca_lightning.text.corpus import CorpusWriter
from orca_lightning.text.tokenizer import load_tokenizer
from orca_lightning.training.worker import train
from student_common import RATE, ROW, ROWS, Clock, Data, on_device


def work(folder: Path) -> dict[str, Any]:
    data, clock = Data(folder), Clock()
    shape = data.settings.get("shape")
    told: dict[str, Any] = {
        "base": None if shape else str(data.model),
        "model": shape,
        "max_length": ROW,
        "batch_rows": ROWS,
        "micro_rows": 1,
        "learning_rate": RATE,
        "threads": 1,
        "checkpoint_seconds": 1e9,
    }
    config = LightningConfig.model_validate(told | data.settings.get("ours", {}))
    utilisation: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        job = Job(config, 1, None, Path(out), 0)
        job.work.mkdir()
        tokenizer = load_tokenizer(data.model)
        tokenizer.save_pretrained(job.tokenizer)
        writer = CorpusWriter(job.corpus, len(tokenizer))
        for i in range(len(data)):
            ids, prompt = data.example(i)
            writer.add(ids[:prompt].tolist(), ids[prompt:].tolist(), source=i)
        writer.close(truncated=0, dropped=0)

        def tell(**facts: Any) -> None:
            if "learning_rate" in facts:
                clock.step(facts["tokens"])
                utilisation.append(facts["mfu"])

        train(job, tell)
    return {**clock.figures(), "mfu": statistics.median(utilisation[1:]), **on_device()}


student_common.main(work)
