"""Tokenising by orca-lightning: prompts and responses apart, on all cores, into a file that is mapped into memory."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import student_common
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.encoding import encode_examples
from orca_lightning.text.tokenizer import load_tokenizer
from student_common import ROW, timed

from orca_core.records import Prompt, Query, Trace


def work(folder: Path) -> dict[str, Any]:
    tokenizer = load_tokenizer(folder / "words")
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    traces = [Trace(Prompt(Query(row["question"], "t"), row["system"]), row["answer"], model="m") for row in rows]
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "corpus"
        figures, _ = timed(lambda: encode_examples(traces, tokenizer, path, max_length=ROW))
        return {**figures, "tokens": len(Corpus.open(path).ids)}


student_common.main(work)
