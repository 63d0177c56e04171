"""What can be set about the evaluator ``lm-eval``; imports nothing heavy."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from orca_core.component import Config


def installed() -> str:
    """The version of lm-eval that is here."""
    try:
        return version("lm_eval")
    except PackageNotFoundError:
        return "none"


class LmEvalConfig(Config):
    """Tasks of EleutherAI's lm-evaluation-harness, built, filtered and scored by its own code."""

    tasks: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="names of tasks, groups or tags of lm-eval, or of include_path"
    )
    include_path: tuple[Path, ...] = Field(
        (),
        description="folders with YAML files of your own tasks; known to caches by their content, so keep the data in them",
    )
    num_fewshot: int | None = Field(
        None, ge=0, description="worked examples before each question; null: as the task says (a task's 0 stays 0)"
    )
    limit: int | None = Field(None, ge=1, description="so many documents of each task, from its first on; null: all")
    gen_kwargs: dict[str, Any] = Field(
        {}, description="over the generation_kwargs of the tasks, such as {max_gen_toks: 64}"
    )
    chat: bool = Field(
        False,
        description="ask in the form of a chat, as lm-eval does with apply_chat_template, instead of raw text; APIs need it",
    )
    unsafe_code: bool = Field(False, description="let tasks that run code which a model wrote do so on this machine")
    harness: str = Field(
        installed(), description="the version of lm-eval, which makes the prompts; what is installed, so leave it alone"
    )

    @field_validator("include_path")
    @classmethod
    def _is_there(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in folders:
            if not folder.is_dir():
                raise ValueError(f"{folder} is no folder; give the folder that holds the tasks' YAML files")
        return folders

    @field_validator("harness")
    @classmethod
    def _is_installed(cls, harness: str) -> str:
        if harness != installed():
            raise ValueError(f"lm-eval {installed()} is installed, not {harness}; its prompts may differ")
        return harness
