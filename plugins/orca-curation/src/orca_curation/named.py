"""YAML files of things by their ids, every slip told by file, line and id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from orca_core.component import Config
from orca_core.errors import DataError, did_you_mean

M = TypeVar("M", bound=Config)


def read_named(path: Path, model: type[M], what: str, example: str) -> dict[str, M]:
    """What a YAML file holds: a ``model`` under each id, in its order.

    Args:
        path: the file.
        model: of what stands under an id.
        what: what messages call it.
        example: of what stands under an id.

    Raises:
        DataError: the file cannot be read, or something in it is wrong; with its id and line.
    """
    root, loaded = _load(path)
    if not isinstance(root, yaml.MappingNode):
        raise DataError(path, f"must hold {what}s by their ids, as in 'my-{what}: {example}'")
    found: dict[str, M] = {}
    for key, _ in root.value:
        line = key.start_mark.line + 1
        if key.tag != "tag:yaml.org,2002:str":
            raise DataError(path, f"{what} '{key.value}' is no text; put it in quotation marks", line=line)
        if key.value in found:
            raise DataError(path, f"{what} '{key.value}' is there twice", line=line)
        try:
            found[key.value] = model.model_validate(loaded[key.value])
        except ValidationError as error:
            problems = "; ".join(_problems(error, model))
            raise DataError(path, f"{what} '{key.value}': {problems}", line=line) from None
    return found


def _load(path: Path) -> tuple[yaml.Node | None, Any]:
    """The nodes of a YAML file, which know their lines, and its values."""
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DataError(path, f"malformed YAML: {error.problem}", line=line) from None
    except yaml.YAMLError as error:
        raise DataError(path, f"malformed YAML: {' '.join(str(error).split())}") from None


def _problems(error: ValidationError, model: type[Config]) -> Iterator[str]:
    for item in error.errors(include_url=False):
        key, message = ".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            yield f"{key}: unknown key{did_you_mean(key, model.model_fields)}"
        else:
            yield f"{key}: {message}" if key else message
