"""OpenOrca: ``id``, ``system_prompt``, ``question``, ``response``; the id begins with the sub-collection of FLAN.

Documented in the data card: https://huggingface.co/datasets/Open-Orca/OpenOrca
"""

from __future__ import annotations

from typing import Final

from orca_core.formats.base import Format, Row, alone, answer, exchange, text
from orca_core.records import Trace

COLLECTIONS: Final = {"niv": "niv2", "t0": "t0", "cot": "cot", "flan": "flan2021"}
"""Our names of the collections by the prefixes of the ids."""
_PREFIXES: Final = {collection: prefix for prefix, collection in COLLECTIONS.items()}


def _read(row: Row) -> Row:
    number = text(row, "id", optional=True)
    prefix = number.partition(".")[0]
    origin = {"collection": COLLECTIONS[prefix]} if prefix in COLLECTIONS else {}
    meta = {"meta": {"id": number}} if number else {}
    question, system = text(row, "question"), text(row, "system_prompt", optional=True)
    return {**origin, **meta, **exchange(row, system, question, answer(row, "response"))}


def _write(trace: Trace) -> Row:
    prompt = alone(trace, "openorca")
    collection = prompt.query.collection
    prefix = _PREFIXES.get(collection, collection)
    return {
        "id": f"{prefix}.{prompt.id}" if prefix else prompt.id,
        "system_prompt": prompt.system,
        "question": prompt.query.text,
        "response": trace.text,
    }


OPENORCA: Final = Format(
    name="openorca",
    columns="id, system_prompt, question, response",
    needed=frozenset({"system_prompt", "question"}),
    read=_read,
    write=_write,
    llama_factory={"columns": {"prompt": "question", "response": "response", "system": "system_prompt"}},
    axolotl={"type": "alpaca_w_system.load_open_orca"},
)
