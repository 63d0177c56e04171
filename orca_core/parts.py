"""A component with its checked config: how a config node becomes a part of a run.

All that is wrong with a node is found at once and told one a line, under its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from orca_core.component import Component, Config, Context, canonical, extra, part_nodes
from orca_core.errors import ConfigError, UserError, did_you_mean
from orca_core.plugins import Plugins


@dataclass(frozen=True)
class Part:
    """A component with its checked config: ready to be built, identified by content."""

    kind: str
    component: Component[Any, Any]
    config: Config
    plugins: Plugins

    def build(self, context: Context) -> Any:
        """The part itself. ``context.make`` builds further parts from nodes of this part's config."""
        return self.component.build(self.config, replace(context, make=self._maker(context), identity=self.identity))

    def identity(self, *, scoring: bool = True) -> dict[str, Any]:
        """What decides this part's results: name, version and the whole keyed config, files by content.

        Args:
            scoring: whether with what only scores depend on (see :func:`orca_core.component.scoring`).
        """
        keyed = {
            name: self._keyed(name)
            for name, info in type(self.config).model_fields.items()
            if not extra(info).get("unkeyed") and (scoring or not extra(info).get("scoring"))
        }
        return {"kind": self.kind, "name": self.component.name, "version": self.component.version, "config": keyed}

    @property
    def node(self) -> dict[str, Any]:
        """The config node that :func:`resolve` makes this part of, as plain data that can travel to another process."""
        return {"name": self.component.name, **self.config.model_dump(mode="json")}

    def _maker(self, context: Context) -> Any:
        return lambda kind, node: resolve(self.plugins, kind, node, where=kind).build(context)

    def _keyed(self, name: str) -> Any:
        value, info = getattr(self.config, name), type(self.config).model_fields[name]
        if kind := extra(info).get("component"):
            parts = {
                key: resolve(self.plugins, kind, node, where=name).identity() for key, node in part_nodes(value).items()
            }
            return parts.get("", parts or None)
        return canonical(value, f"{self.kind}.{name}")


def resolve(plugins: Plugins, kind: str, node: Any, where: str) -> Part:
    """Look a component up by its node's ``name`` and check the rest of the node against the component's config.

    Raises:
        ConfigError: all that is wrong with the node, under the keys ``where.*``.
        UserError: nobody, or more than one plugin, offers the name.
    """
    if not isinstance(node, Mapping) or not isinstance(node.get("name"), str):
        raise ConfigError(
            [f"{where}: names no {kind}; choose one, e.g. {where}={next(iter(plugins.offers[kind]), '...')}"]
        )
    component = plugins.find(kind, node["name"]).component
    values = {key: value for key, value in node.items() if key != "name"}
    try:
        config = component.config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(list(problems_of(error, component.config, where))) from None
    problems: list[str] = []
    for name, info in component.config.model_fields.items():
        inner = extra(info).get("component")
        for key, inner_node in part_nodes(getattr(config, name)).items() if inner else ():
            place = ".".join(filter(None, (where, name, key)))
            try:
                resolve(plugins, str(inner), inner_node, place)
            except ConfigError as error:
                problems += error.problems
            except UserError as error:
                problems.append(f"{place}: {error}")
    if problems:
        raise ConfigError(problems)
    return Part(kind, component, config, plugins)


def problems_of(error: ValidationError, model: type[BaseModel], where: str) -> Iterator[str]:
    """What pydantic finds wrong with a node, a line each, under the keys ``where.*``."""
    for item in error.errors(include_url=False):
        loc = [str(step) for step in item["loc"]]
        key = ".".join([where, *loc] if where else loc)
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            yield f"{key}: unknown key{did_you_mean(loc[-1], _fields_at(model, loc[:-1]))}"
        elif item["type"] == "missing":
            yield f"{key}: missing; give it a value, e.g. {key}=..."
        elif not loc:  # the fields are right each by itself, but not together
            yield f"{key}: {message}"
        else:
            # a secret typed into the wrong place must not be repeated on a screen or in a log
            value = "..." if re.search(r"(?i)key|token|secret|password", loc[-1]) else repr(item["input"])
            yield f"{key} = {value}: {message[0].lower()}{message[1:]}"


def _fields_at(model: type[BaseModel], loc: list[str]) -> list[str]:
    """The allowed keys at a location inside a model (through nested models and dictionaries of models)."""
    current: Any = model
    for step in loc:
        if get_origin(current) is dict:
            current = get_args(current)[1]
        else:
            field = getattr(current, "model_fields", {}).get(step)
            current = field.annotation if field else None
    return list(getattr(current, "model_fields", {}))
