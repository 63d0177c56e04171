"""What the evaluator ``judge`` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from orca_core import Config, part, part_nodes, scoring

Mode = Literal["paper", "sound", "single"]
Form = Literal["pairwise", "reviewer"]


class HubSet(Config):
    """A set of questions on the Hugging Face Hub."""

    dataset: str = Field(min_length=1, description="OWNER/NAME")
    split: str = Field("train", description="the split that is read")
    revision: str = Field("main", description="branch, tag or commit; only a commit is the same data set tomorrow")


class JudgeConfig(Config):
    """Open-ended answers judged by a teacher: the paper's ratio to a reference, a sound win rate, or grades from 1 to 10."""

    judge: Any = part(
        "teacher", scoring=True, description="who judges: any teacher, or several by name, each of whom is asked"
    )
    reference: Any = part(
        "teacher",
        None,
        scoring=True,
        description="whose answers are held against the subject's: any teacher, asked first, or 'answers' from a file; "
        "null in mode single",
    )
    mode: Mode = scoring(
        "sound",
        description="paper: reference first, ratio of the scores' totals; sound: both orders, win rate, biases measured; "
        "single: each answer graded by itself",
    )
    form: Form = scoring(
        "pairwise",
        description="what the judge is asked in mode sound: pairwise: for a verdict (MT-Bench); reviewer: for two scores (Vicuna)",
    )
    path: Path | None = Field(
        None,
        description="file of questions, or folder of such files, in the form of Vicuna's, WizardLM's or Awesome's; the file's "
        "name tells the set",
    )
    hub: dict[str, HubSet] = Field(
        {}, description="sets of questions on the Hub, by name: {awesome: {dataset: OWNER/NAME}}"
    )
    n: int | None = Field(None, ge=1, description="only the first so many questions of each set")
    system: str = Field("", description="system message that the subject and the reference are asked with")
    dead_letters: float = scoring(
        0.0,
        ge=0,
        lt=1,
        description="share of the judge's prompts that may stay without any reply; it stops beyond that",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> JudgeConfig:
        if (self.path is None) != bool(self.hub):
            raise ValueError("give the questions by either path or hub, e.g. path=vicuna_bench.jsonl")
        if self.mode == "single" and self.reference is not None:
            raise ValueError("mode single holds answers against no reference; leave it out, or choose mode sound")
        if self.mode != "single" and self.reference is None:
            raise ValueError(
                f"mode {self.mode} holds answers against a reference; name a teacher, e.g. "
                "reference={name: answers, path: chatgpt.jsonl}, or choose mode single"
            )
        if self.mode == "paper" and len(part_nodes(self.judge)) > 1:
            raise ValueError("mode paper has one judge; choose mode sound for several")
        return self
