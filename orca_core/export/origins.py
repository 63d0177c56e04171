"""Whose terms a data set is under: its teachers' providers, and its questions' sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

UNKNOWN: Final = "unknown"


class Origin(NamedTuple):
    """What is known of a teacher's provider or of a source."""

    name: str
    terms: str
    url: str = ""


def teacher_origin(model: str) -> Origin:
    """The provider of a model, and what its terms say of training on its output."""
    for entry in _origins()["teachers"]:
        if re.search(rf"(^|[/.:@])(?:{entry['model']})", model, re.IGNORECASE):
            return Origin(entry["provider"], entry["terms"], entry["url"])
    return Origin(UNKNOWN, f"{UNKNOWN}: ask whoever provides the model")


def collection_origin(collection: str) -> Origin:
    """The licence of a collection's questions."""
    entry = _origins()["collections"].get(collection)
    return Origin(collection, entry["licence"], entry["url"]) if entry else Origin(collection, UNKNOWN)


@cache
def _origins() -> Mapping[str, Any]:
    import yaml

    return dict(yaml.safe_load(Path(__file__).with_name("origins.yaml").read_text(encoding="utf-8")))
