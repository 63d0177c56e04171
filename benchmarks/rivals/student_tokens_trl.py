"""Tokenising by TRL's SFTTrainer: what its preparation of a conversational data set of prompts and completions takes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import student_common
from datasets import Dataset, disable_progress_bars
from student_common import ROW, timed
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer


def work(folder: Path) -> dict[str, Any]:
    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(folder / "words")
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    dataset = Dataset.from_list([_row(row) for row in rows])
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape))
    with tempfile.TemporaryDirectory() as out:
        settings = SFTConfig(output_dir=out, use_cpu=True, bf16=False, max_length=ROW, report_to="none")
        SFTTrainer(model, args=settings, train_dataset=dataset.select(range(1)), processing_class=tokenizer)
        figures, trainer = timed(
            lambda: SFTTrainer(model, args=settings, train_dataset=dataset, processing_class=tokenizer)
        )
        return {**figures, "tokens": sum(map(len, trainer.train_dataset["input_ids"]))}


def _row(row: dict[str, str]) -> dict[str, Any]:
    asked = [{"role": "system", "content": row["system"]}] if row["system"] else []
    return {
        "prompt": [*asked, {"role": "user", "content": row["question"]}],
        "completion": [{"role": "assistant", "content": row["answer"]}],
    }


student_common.main(work)
