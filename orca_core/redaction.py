"""What must not be written anywhere, taken out of what is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

SECRET: Final = re.compile(r"(?i)(api_?key|token|secret|password|authorization)$")
"""Keys whose values are secrets."""


def redacted(value: Any) -> Any:
    """The config without secrets: values of keys that name one, and credentials inside URLs."""
    if isinstance(value, Mapping):
        return {
            key: "***" if SECRET.search(str(key)) and isinstance(inner, str) else redacted(inner)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redacted(inner) for inner in value]
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", value) if isinstance(value, str) else value
