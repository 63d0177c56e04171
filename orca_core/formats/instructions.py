"""Dolphin and Alpaca: ``instruction``, ``input``, ``output``, of which the first two mean different things.

Dolphin (https://huggingface.co/datasets/cognitivecomputations/dolphin): the instruction is the system message, the input is the
question. Alpaca (https://github.com/tatsu-lab/stanford_alpaca#data-release): the instruction is the question, the input, which
is empty in most rows, what it is about. LLaMA-Factory adds a ``system`` column and puts a line break between instruction and
input (https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md), and a ``history`` of [question, answer], which is
learnt as well; axolotl reads both as ``alpaca``
(https://docs.axolotl.ai/docs/dataset-formats/inst_tune.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from orca_core.formats.base import Format, Row, alone, answer, exchange, text
from orca_core.records import Trace


def _read_dolphin(row: Row) -> Row:
    return exchange(row, text(row, "instruction", optional=True), text(row, "input"), answer(row, "output"))


def _read_alpaca(row: Row) -> Row:
    history = row.get("history") or []
    if not isinstance(history, list) or not all(_is_pair(turn) for turn in history):
        raise TypeError("column 'history' must be a list of [question, answer]")
    instruction, given = text(row, "instruction"), text(row, "input", optional=True)
    question = f"{instruction}\n{given}" if given else instruction
    read = exchange(row, text(row, "system", optional=True), question, answer(row, "output"))
    return {**read, "history": history} if history else read


def _is_pair(turn: object) -> bool:
    return isinstance(turn, list) and len(turn) == 2 and all(isinstance(part, str) for part in turn)


def _write_alpaca(trace: Trace) -> Row:
    prompt = alone(trace, "alpaca")
    return {"instruction": prompt.query.text, "input": "", "output": trace.text, "system": prompt.system}


DOLPHIN: Final = Format(
    name="dolphin",
    columns="instruction (the system message), input (the question), output",
    needed=frozenset({"instruction", "input", "output"}),
    read=_read_dolphin,
)
ALPACA: Final = Format(
    name="alpaca",
    columns="instruction (the question), input (optional), output, system (optional)",
    needed=frozenset({"instruction", "output"}),
    read=_read_alpaca,
    write=_write_alpaca,
    llama_factory={
        "columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system"},
    },
    axolotl={"type": "alpaca_w_system.load_instruct"},
)


def which(rows: Sequence[Row]) -> Format | None:
    """Which of the two these rows are of, if that is certain; None if they could be of either.

    A question is never empty: an empty ``input`` is Alpaca's, an empty ``instruction`` Dolphin's, which has the empty system
    message in one row out of twelve. A ``system`` column leaves no other meaning to the instruction than Alpaca's.
    """
    alpaca = any("system" in row or not row.get("input") for row in rows)
    dolphin = any(not row.get("instruction") for row in rows)
    return None if alpaca == dolphin else ALPACA if alpaca else DOLPHIN
