"""Made tasks of every kind that can be asked, and a checkpoint of some thousand parameters."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

WORDS = ("sum", "three and four", "seven", "so the answer is", "one, two", "what is left", "nine")
KINDS: dict[str, dict[str, Any]] = {
    "made_options": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "num_fewshot": 2,
        "fewshot_split": "test",
        "metric_list": [{"metric": name} for name in ("acc", "acc_norm", "exact_match")],
    },
    "made_mutual": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc_mutual_info", "aggregation": "mean", "higher_is_better": True}],
    },
    "made_contexts": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{gold}}",
        "doc_to_choice": "{{[question + options[0], question + options[1]]}}",
        "doc_to_target": "{{' ' + last}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}, {"metric": "brier_score"}],
    },
    "made_few": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "options",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc"}],
    },
    "made_letters": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": list("abcdefghijklmnopqrstuvwxyz0123456789"),
        "doc_to_target": "gold",
        "target_delimiter": "",
        "metric_list": [{"metric": "exact_match"}],
    },
    "made_last": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{question}} ",
        "doc_to_target": "{{last}}",
        "metric_list": [{"metric": "acc"}, {"metric": "perplexity"}],
    },
    "made_written": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}\n",
        "doc_to_target": "{{last}}",
        "generation_kwargs": {"until": ["left", "\n\n"], "max_gen_toks": 12, "do_sample": False},
        "filter_list": [
            {"name": "word", "filter": [{"function": "regex", "regex_pattern": "(t\\w+)"}, {"function": "take_first"}]},
            {"name": "whole", "filter": [{"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match"}],
    },
    "made_drawn": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{last}}",
        "repeats": 3,
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6, "do_sample": True, "temperature": 0.7},
        "metric_list": [{"metric": "exact_match"}],
    },
    "made_described": {
        "output_type": "generate_until",
        "description": "Answer in a word.",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{last}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 6},
        "metric_list": [{"metric": "exact_match"}],
    },
    "made_rolling": {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{question}}"},
    "made_beams": {
        "output_type": "generate_until",
        "doc_to_text": "{{question}}",
        "doc_to_target": "{{last}}",
        "generation_kwargs": {"until": ["\n"], "num_beams": 4},
    },
    "made_lost": {"output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "{{last}}"},
    "made_wrong": {"output_type": "generate_until", "doc_to_text": "{{question", "doc_to_target": "{{last}}"},
}


def documents(count: int) -> list[dict[str, Any]]:
    """Questions of one to a few hundred words, two of them alike, one ending in blanks; two to five options each."""
    draw = random.Random(0)
    made: list[dict[str, Any]] = []
    for number in range(count):
        words = draw.randint(3, 25) if number else 90
        options = draw.sample(WORDS, draw.randint(2, 5))
        question = " ".join(draw.choice(WORDS) for _ in range(words))
        made.append(
            {
                "question": question,
                "options": options,
                "gold": draw.randrange(2),
                "last": draw.choice(WORDS).split()[-1],
            }
        )
    made[3]["question"] += "  "
    made[5] = made[4] | {"gold": 1 - made[4]["gold"]}
    return made


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tasks' YAML files (JSON is YAML) and their data."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "data.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in documents(40)))
    (folder / "few.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in documents(10)))
    for name, kind in KINDS.items():
        data = folder / {"made_lost": "nowhere.jsonl", "made_few": "few.jsonl"}.get(name, "data.jsonl")
        source = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(folder / "cache")},
            "test_split": "test",
        }
        (folder / f"{name}.yaml").write_text(json.dumps(source | kind))
    for name, by_size in (("made_by_size", True), ("made_by_task", False)):
        inner = {"group": name, "task": ["made_contexts", "made_few"]}
        inner["aggregate_metric_list"] = [{"metric": "acc", "weight_by_size": by_size}]
        (folder / f"{name}.yaml").write_text(json.dumps(inner))
    (folder / "made_outer.yaml").write_text(json.dumps({"group": "made_outer", "task": ["made_by_size"]}))
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model whose answers differ from question to question."""
    from orca_lightning import LightningConfig, ModelShape
    from orca_lightning.job import Job
    from orca_lightning.training.start import write_untrained

    from orca_core.records import Prompt, Query, Trace

    traces = [Trace(Prompt(Query(f"{a} {b}\n", "t")), f"{b} {a}", model="m") for a in WORDS for b in WORDS]
    shape = ModelShape(
        hidden_size=64, layers=2, heads=4, intermediate_size=96, vocab_size=320, positions=256, init_std=0.3
    )
    job = Job(LightningConfig(model=shape, max_length=256), 0, None, tmp_path_factory.mktemp("checkpoint"), 3)
    write_untrained(job, traces)
    return job.checkpoint
