"""Training by TRL's SFTTrainer, examples packed best-fit decreasing, loss on completions alone."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import student_common
import torch
from datasets import Dataset
from student_common import RATE, ROW, ROWS, Clock, Data, on_device
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Timer(TrainerCallback):  # type: ignore[misc]
    """Marks the end of every step."""

    def __init__(self, clock: Clock, seen: list[int]) -> None:
        self.clock, self.seen = clock, seen

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.clock.step(sum(self.seen))


def work(folder: Path) -> dict[str, Any]:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    data, clock, seen = Data(folder), Clock(), list[int]()
    examples = [data.example(i) for i in range(len(data))]
    rows = Dataset.from_dict(
        {
            "input_ids": [ids.tolist() for ids, _ in examples],
            "completion_mask": [[0] * prompt + [1] * (len(ids) - prompt) for ids, prompt in examples],
        }
    )
    with tempfile.TemporaryDirectory() as out:
        told: dict[str, Any] = {
            "use_cpu": not torch.cuda.is_available(),
            "bf16": False,
            "gradient_checkpointing": False,
            "packing": True,
            "packing_strategy": "bfd",
            "max_length": ROW,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": ROWS,
            "num_train_epochs": 1,
            "learning_rate": RATE,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "seed": 0,
        }
        trainer = SFTTrainer(
            load(data),
            args=SFTConfig(out, **told | data.settings.get("trl", {})),
            train_dataset=rows,
            processing_class=AutoTokenizer.from_pretrained(data.model),
            callbacks=[Timer(clock, seen)],
        )
        collate = trainer.data_collator

        def counted(batch: Any) -> Any:
            seen.append(sum(len(row["input_ids"]) for row in batch))
            return collate(batch)

        trainer.data_collator = counted
        trainer.train()
    return {**clock.figures(), **on_device()}


def load(data: Data) -> Any:
    """The stored model, or one of a shape, in 16 bits where there is a GPU for it."""
    shape = data.settings.get("shape")
    if shape is None:
        return AutoModelForCausalLM.from_pretrained(data.model)
    config = LlamaConfig(
        hidden_size=shape["hidden_size"],
        intermediate_size=shape["intermediate_size"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        vocab_size=shape["vocab_size"],
        max_position_embeddings=ROW,
        pad_token_id=0,
        eos_token_id=1,
    )
    gpu = torch.cuda.is_available()
    with torch.device("cuda" if gpu else "cpu"):
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16 if gpu else torch.float32)


student_common.main(work)
