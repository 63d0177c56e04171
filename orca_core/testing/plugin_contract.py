"""The contract of a plugin module: what its hooks return, what its configs look like, what importing it must not import."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import Any, Final

import pluggy
from pydantic import ValidationError

from orca_core import Component, Config, hookspecs
from orca_core.errors import did_you_mean

HEAVY: Final = ("torch", "transformers", "litellm", "lightning", "datasets")
"""Libraries that take seconds to import."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
PREFIX: Final = f"{hookspecs.PROJECT}_"
HOOKS: Final = frozenset(name for name in vars(hookspecs) if name.startswith(PREFIX))


def expect(holds: bool, complaint: str) -> None:
    """Complain unless it holds; unlike ``assert``, under ``python -O`` too."""
    if not holds:
        raise AssertionError(complaint)


def check_plugin(plugin: ModuleType | str) -> list[Component[Any, Any]]:
    """A plugin's hooks exist, are marked and return components with sound configs; importing it stays cheap.

    Args:
        plugin: the module that the entry point names, or its name.

    Returns:
        All its components.

    Raises:
        AssertionError: says what to change.
    """
    module = importlib.import_module(plugin) if isinstance(plugin, str) else plugin
    check_import(module.__name__)
    _check_hooks(module)
    components = [component for hook in sorted(HOOKS - {"orca_config_paths"}) for component in _offers(module, hook)]
    for component in components:
        check_component(component)
    paths = list(module.orca_config_paths()) if hasattr(module, "orca_config_paths") else []
    for path in paths:
        _check_presets(path)
    expect(bool(components or paths), f"{module.__name__} offers nothing: no hook returns a component or a path")
    return components


def check_import(module: str) -> None:
    """Importing the module, in a fresh interpreter, imports none of the heavy libraries."""
    code = f"import json, sys; sys.path[:] = {sys.path!r}; import {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"importing {module} fails:\n{done.stderr}")
    loaded = sorted(set(HEAVY) & set(json.loads(done.stdout.splitlines()[-1])))
    expect(not loaded, f"importing {module} imports {', '.join(loaded)}; import them in the function that needs them")


def _check_hooks(module: ModuleType) -> None:
    own = [name for name in vars(module) if name.startswith(PREFIX) and callable(getattr(module, name))]
    expect(bool(own), f"{module.__name__} has no hook; define one of {', '.join(sorted(HOOKS))}")
    for name in own:
        marked = getattr(module, name), f"{hookspecs.PROJECT}_impl"
        expect(name in HOOKS, f"{module.__name__}.{name}: no hook has this name{did_you_mean(name, HOOKS)}")
        expect(hasattr(*marked), f"{module.__name__}.{name} is not marked; decorate it with @orca_core.hookimpl")
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module)
    manager.check_pending()


def _offers(module: ModuleType, hook: str) -> Iterator[Component[Any, Any]]:
    if not hasattr(module, hook):
        return
    offered = getattr(module, hook)()
    expect(isinstance(offered, Iterable), f"{hook} returns {type(offered).__name__}, not a list of components")
    seen: set[str] = set()
    for component in offered:
        expect(isinstance(component, Component), f"{hook} returns {component!r}, not an orca_core.Component")
        expect(component.name not in seen, f"{hook} offers '{component.name}' twice")
        seen.add(component.name)
        yield component


def check_component(component: Component[Any, Any]) -> None:
    """Name, version and config model of a component; its defaults are valid, or it says which fields it requires."""
    name, model = component.name, component.config
    expect(bool(NAME.fullmatch(name)), f"name '{name}': use small letters, digits, '-', '_' and '.'")
    expect(component.version >= 1, f"{name}: version is {component.version}; start at 1")
    expect(isinstance(model, type) and issubclass(model, Config), f"{name}: its config is no orca_core.Config")
    strict = model.model_config.get("extra") == "forbid" and model.model_config.get("frozen") is True
    expect(strict, f"{name}: {model.__name__} changes extra='forbid' or frozen=True: typing errors would go unseen")
    expect(bool(model.__doc__), f"{name}: {model.__name__} has no docstring; `orca plugins` shows its first line")
    expect(
        "name" not in model.model_fields, f"{name}: a field 'name' would hide the component's name; call it otherwise"
    )
    for field, info in model.model_fields.items():
        expect(bool(info.description), f"{name}.{field} has no description=")
    _check_defaults(name, model)


def _check_defaults(name: str, model: type[Config]) -> None:
    required = [field for field, info in model.model_fields.items() if info.is_required()]
    try:
        config = model()
    except ValidationError as error:
        wrong = [item for item in error.errors() if item["type"] != "missing"]
        expect(bool(required) and not wrong, f"{name}: its defaults are not valid: {wrong}")
        return
    again = model.model_validate_json(config.model_dump_json())
    expect(again == config, f"{name}: its defaults do not survive JSON, in which configs and keys are written")


def _check_presets(path: str) -> None:
    expect(path.startswith("pkg://"), f"orca_config_paths: '{path}' does not start with pkg://")
    package = path.removeprefix("pkg://").replace("/", ".")
    try:
        root = files(package)
    except ModuleNotFoundError as error:
        raise AssertionError(f"orca_config_paths: {path}: {error}") from error
    expect(
        (root / "__init__.py").is_file(), f"orca_config_paths: {package} needs an __init__.py, or Hydra finds nothing"
    )
    groups = {entry.name: entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("_")}
    presets = [preset for entry in groups.values() for preset in _yaml(entry)]
    expect(bool(presets), f"orca_config_paths: no YAML file in a folder of {package}")


def _yaml(folder: Traversable) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _yaml(entry)
        elif entry.name.endswith((".yaml", ".yml")):
            expect(entry.name.endswith(".yaml"), f"preset {entry.name}: Hydra reads only .yaml")
            yield entry.name
