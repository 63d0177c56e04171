"""What the Orca paper reports (Mukherjee et al. 2023, table 7): ratios to a reference, judged by GPT-4, reference shown first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ROWS: Final = {
    "vicuna": ((0.920, 1.015), (0.738, 0.877)),
    "awesome": ((0.865, 0.981), (0.778, 0.893)),
    "wizardlm": ((0.771, 0.849), (0.691, 0.784)),
}
"""Of each set: against ChatGPT, against GPT-4; each Vicuna-13B, Orca-13B."""
FOOTNOTE_18: Final = 0.8487
"""Vicuna-13B against ChatGPT on WizardLM's prompts, shown first; shown second it is the 0.771 of the table."""


def ratios(task: str) -> Mapping[str, float]:
    """The table's columns on a set of questions; none on others."""
    if task not in _ROWS:
        return {}
    pairs = zip(("ChatGPT", "GPT-4"), _ROWS[task], strict=True)
    return {
        f"{model} / {reference}": figure
        for reference, figures in pairs
        for model, figure in zip(("Vicuna-13B", "Orca-13B"), figures, strict=True)
    }


def ratios_shown_first(task: str) -> Mapping[str, float]:
    """What is published of the other order."""
    return {"Vicuna-13B / ChatGPT": FOOTNOTE_18} if task == "wizardlm" else {}
