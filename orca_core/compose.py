"""Hydra: one option per component generated from its config model, the plugins' presets on the search path, errors for people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml
from hydra import compose, initialize_config_module
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins as HydraPlugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import MISSING, DictConfig
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from orca_core import plugins as plugin_loading
from orca_core.component import Component
from orca_core.errors import ConfigError, did_you_mean
from orca_core.plugins import KINDS, Plugins

CONFIG_MODULE: Final = "orca_core.conf"
CONFIG_NAME: Final = "config"
MANY: Final = {"screen", "selector", "evaluator"}
"""Groups of which several options may be chosen: each lands under its own name, ``evaluator.bbh``."""


class OrcaSearchPath(SearchPathPlugin):
    """Adds the preset roots that plugins name in ``orca_config_paths``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for root in plugin_loading.load(strict=False).config_paths:
            search_path.append("orca", root)


def register(plugins: Plugins) -> None:
    """Tell Hydra of every component. Idempotent."""
    HydraPlugins.instance().register(OrcaSearchPath)
    store = ConfigStore.instance()
    for kind in KINDS:
        for name, offer in plugins.offers[kind].items():
            package = f"{kind}.{name}" if kind in MANY else None
            store.store(
                name=name, node=option(offer.component), group=kind, package=package, provider=offer.plugin.name
            )


def option(component: Component[Any, Any]) -> dict[str, Any]:
    """The config node of a component with its defaults; ``???`` where a value is required."""
    node: dict[str, Any] = {"name": component.name}
    for name, info in component.config.model_fields.items():
        default = info.get_default(call_default_factory=True)
        if default is PydanticUndefined:
            node[name] = MISSING
        else:
            node[name] = TypeAdapter(Any).dump_python(default, mode="json")
    return node


def compose_run(overrides: Sequence[str], plugins: Plugins) -> tuple[DictConfig, list[str]]:
    """Compose the config for these overrides; of a sweep (``seed=1,2``) the first value of each.

    Returns:
        The config, and the overrides in the form in which Hydra takes them all: a key that its struct mode refuses, such as
        one inside a free dictionary, is forced (``++``), because the check that follows knows better what is allowed.

    Raises:
        ConfigError: an option, key or file is wrong; all that can be found is told.
    """
    register(plugins)
    lines = list(overrides)
    while True:
        try:
            with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
                return compose(CONFIG_NAME, overrides=first_of_each(lines)), lines
        except yaml.YAMLError as error:
            raise ConfigError([" ".join(str(error).split())]) from None
        except (HydraException, OmegaConfBaseException) as error:
            forced = _forced(lines, str(error))
            if forced == lines:
                raise ConfigError([explain(error, plugins)]) from None
            lines = forced


def _forced(lines: Sequence[str], error: str) -> list[str]:
    match = re.search(r"Could not override '([^']+)'\.", error)
    return [f"++{line}" if match and line.startswith(f"{match[1]}=") else line for line in lines]


def first_of_each(overrides: Sequence[str]) -> list[str]:
    """Overrides with every sweep replaced by its first value."""
    single = []
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        line = override.input_line or ""
        if override.is_sweep_override():
            line = line.split("=", 1)[0] + "=" + next(iter(override.sweep_string_iterator()))
        single.append(line)
    return single


def explain(error: BaseException, plugins: Plugins) -> str:
    """Hydra's and OmegaConf's errors in our form: the key, what is wrong, the nearest match."""
    text = str(error)
    if match := re.search(r"Could not (?:find|load) '([\w@.-]+)/([^']+)'", text):
        group, name = match[1], match[2]
        kind = group.split("@")[0]
        if (kind, name) in plugins.conflicts:
            return plugin_loading.conflict_message(kind, name, plugins.conflicts[kind, name])
        return f"{group}={name}: no such option{did_you_mean(name, _options(kind))}"
    cause = error.__cause__
    details = [text] if cause is None or str(cause) in text else [text, str(cause)]
    return " ".join(" ".join(details).split())


def _options(group: str) -> list[str]:
    """Every option of a config group, generated or from a file."""
    with initialize_config_module(CONFIG_MODULE, version_base="1.3"):
        return list(GlobalHydra.instance().config_loader().get_group_options(group))
