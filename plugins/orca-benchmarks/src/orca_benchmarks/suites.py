"""The benchmarks: what their tasks are, where their data are and how a row becomes an item."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from orca_benchmarks.items import Item
from orca_benchmarks.loading import agieval, bbh, choices, free
from orca_benchmarks.loading.rows import Row

MMLU: Final = tuple(
    """abstract_algebra anatomy astronomy business_ethics clinical_knowledge college_biology college_chemistry
    college_computer_science college_mathematics college_medicine college_physics computer_security conceptual_physics
    econometrics electrical_engineering elementary_mathematics formal_logic global_facts high_school_biology
    high_school_chemistry high_school_computer_science high_school_european_history high_school_geography
    high_school_government_and_politics high_school_macroeconomics high_school_mathematics high_school_microeconomics
    high_school_physics high_school_psychology high_school_statistics high_school_us_history high_school_world_history
    human_aging human_sexuality international_law jurisprudence logical_fallacies machine_learning management marketing
    medical_genetics miscellaneous moral_disputes moral_scenarios nutrition philosophy prehistory professional_accounting
    professional_law professional_medicine professional_psychology public_relations security_studies sociology
    us_foreign_policy virology world_religions""".split()  # noqa: SIM905 (a name a line would be the longest thing here)
)


def _row_id(row: Row) -> str | None:
    """The identity that a row brings along."""
    return next((str(row.values[name]) for name in ("id", "query_id", "ind") if row.values.get(name) is not None), None)


@dataclass(frozen=True)
class Suite:
    """A benchmark: everything about it that its evaluator needs."""

    name: str
    summary: str
    """The first line of its config's docstring."""
    tasks: tuple[str, ...]
    parse: Callable[[str, Row], Item]
    dataset: str
    """On the Hub; ``{task}`` stands for the task's name."""
    subset: str | None = None
    """The configuration of the data set there."""
    split: str = "test"
    identity: Callable[[Row], str | None] = _row_id
    """What no two rows of a task may share; None: nothing is known."""
    repeated: frozenset[str] = frozenset()
    """Content ids of the identities that the published files hold twice."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names for several tasks at once, beside ``all``."""
    usual: tuple[str, ...] = ("all",)
    """The tasks, or groups, that are asked if nothing else is said."""
    capitals: str = ""
    """What the paper's reader takes for an option; empty: the letters of the question's own options."""
    scored: Literal["labels", "texts"] = "labels"
    """The continuations whose likelihood is compared, if nothing else is said."""


SUITES: Final = (
    Suite(
        "bbh",
        "BIG-Bench Hard: the 23 multiple-choice tasks of the Orca paper, or all 27.",
        tuple(bbh.TASKS),
        bbh.parse,
        "SaylorTwift/bbh",
        "{task}",
        identity=bbh.identity,
        repeated=bbh.REPEATED,
        groups={"multiple-choice": bbh.MULTIPLE_CHOICE},
        usual=("multiple-choice",),
    ),
    Suite(
        "agieval",
        "AGIEval: its eight English multiple-choice tasks, as in the Orca paper.",
        agieval.TASKS,
        agieval.parse,
        "hails/agieval-{task}",
        identity=agieval.identity,
        repeated=agieval.REPEATED,
        capitals=agieval.LETTERS,
    ),
    Suite(
        "truthfulqa",
        "TruthfulQA with one right answer (MC1), its options shuffled.",
        ("truthfulqa",),
        choices.truthfulqa,
        "truthfulqa/truthful_qa",
        "multiple_choice",
        "validation",
    ),
    Suite("mmlu", "MMLU: 57 subjects, four options each.", MMLU, choices.mmlu, "cais/mmlu", "{task}"),
    Suite(
        "arc",
        "ARC: science questions for schools, easy and challenging.",
        ("ARC-Easy", "ARC-Challenge"),
        choices.arc,
        "allenai/ai2_arc",
        "{task}",
        scored="texts",
    ),
    Suite(
        "hellaswag",
        "HellaSwag: which of four endings carries a description on.",
        ("hellaswag",),
        choices.hellaswag,
        "Rowan/hellaswag",
        split="validation",
        scored="texts",
    ),
    Suite(
        "race",
        "RACE: reading comprehension of middle and high schools.",
        ("middle", "high"),
        choices.race,
        "ehovy/race",
        "{task}",
    ),
    Suite("gsm8k", "GSM8K: word problems of grade schools.", ("gsm8k",), free.gsm8k, "openai/gsm8k", "main"),
    Suite(
        "drop",
        "DROP: discrete reasoning over paragraphs; exact match.",
        ("drop",),
        free.drop,
        "EleutherAI/drop",
        split="validation",
    ),
)
"""In the order of ``orca plugins``."""
