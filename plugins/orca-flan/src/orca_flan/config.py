"""What is drawn from where: every rate and cap of the paper's section 3.1 as a value that can be set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from orca_core.component import Config
from orca_core.messages import Message, gaps
from orca_flan.inventory import Shape, unit
from orca_flan.sources.cot import Cot
from orca_flan.sources.files import Files
from orca_flan.sources.hub import Hub
from orca_flan.sources.niv2 import Niv2

Sources = Annotated[Cot | Niv2 | Files | Hub, Field(discriminator="kind")]


class Collection(Config):
    """One sub-collection: where its queries are, and how many are drawn of them."""

    source: Sources = Field(description="where the queries are: kind cot, niv2, files or hub")
    n: int | None = Field(None, ge=1, description="queries to draw, by the paper's Algorithm 1; null: all")
    cap: int | None = Field(None, ge=1, description="queries of each task at most; null: no cap")
    templates: tuple[str, ...] | None = Field(
        None, min_length=1, description="template types to draw from, such as [zs_opt, zs_noopt]; null: every row"
    )
    per_template: bool = Field(
        False, description="whether each template type of a task counts as a task of its own (Flan 2021: 142 of 71)"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Collection:
        if self.per_template and self.templates is None:
            raise ValueError("per_template needs the template types, e.g. templates=[zs_opt,zs_noopt]")
        return self

    @property
    def shape(self) -> Shape:
        """What becomes of an inventory's counts, which are the same for each template type."""
        return Shape(self.templates or ("",), self.per_template)

    def unit(self, task: str, template: str) -> str | None:
        """The task that a row counts to in the draw; None: the row is of a template type that is not wanted."""
        if self.templates is not None and template not in self.templates:
            return None
        return unit(task, template) if self.per_template else task


class FlanConfig(Config):
    """FLAN-v2's collections, each drawn by its own rule, mixed at random and paired with system messages."""

    collections: dict[str, Collection] = Field(
        min_length=1, description="by name: cot, niv2, flan2021, t0, or your own"
    )
    messages: dict[str, Message] | None = Field(
        None, description="the system messages by id, with their shares; null: the message that each row carries"
    )
    inventory: Path | None = Field(
        None, description="CSV of collection, task and queries; null: the sources are counted first"
    )
    bad_rows: Literal["stop", "skip"] = Field(
        "stop", description="what an unusable row does: stop with its file and line, or skip, which is counted"
    )

    @model_validator(mode="after")
    def _has_messages_for_all(self) -> FlanConfig:
        if self.messages is not None and (problems := gaps(self.messages, self.collections)):
            raise ValueError("; ".join(problems))
        return self
