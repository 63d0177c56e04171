"""Loading plugins: our own loop over the entry points, so that a broken one is a row in a table and not the end of the program.

``ORCA_BLOCK_PLUGINS=a,b`` leaves plugins out; ``ORCA_STRICT_PLUGINS=1`` turns a broken plugin into an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import pluggy

from orca_core import builtin, hookspecs
from orca_core.component import Component, Config
from orca_core.errors import UserError, did_you_mean

KINDS: Final = ("sampler", "screen", "teacher", "selector", "student", "evaluator", "verifier", "executor")
"""The kinds of component, each a hook ``orca_<kind>s`` and a config group ``<kind>``."""


@dataclass(frozen=True)
class PluginInfo:
    """One installed plugin; ``error`` says why it is not in use (None: it is)."""

    name: str
    distribution: str
    version: str
    error: str | None = None


@dataclass(frozen=True)
class Offer:
    """A component and the plugin that offers it."""

    component: Component[Any, Any]
    plugin: PluginInfo


@dataclass(frozen=True)
class Plugins:
    """Everything that is installed and works, and what is installed and does not."""

    plugins: tuple[PluginInfo, ...]
    offers: Mapping[str, Mapping[str, Offer]]
    """kind -> component name -> offer"""
    config_paths: tuple[str, ...]
    conflicts: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    """(kind, name) -> the plugins that all offer it; such a component is in nobody's offer"""

    def find(self, kind: str, name: str) -> Offer:
        """The offer of that kind and name.

        Raises:
            UserError: nobody offers it, or more than one plugin does.
        """
        if (kind, name) in self.conflicts:
            raise UserError(conflict_message(kind, name, self.conflicts[kind, name]))
        try:
            return self.offers[kind][name]
        except KeyError:
            raise UserError(f"no {kind} is called '{name}'{did_you_mean(name, self.offers[kind])}") from None

    @property
    def broken(self) -> list[PluginInfo]:
        """The plugins that are installed but not in use because of an error of theirs."""
        return [plugin for plugin in self.plugins if plugin.error and plugin.error != BLOCKED]


BLOCKED: Final = "left out by ORCA_BLOCK_PLUGINS"


def conflict_message(kind: str, name: str, owners: Iterable[str]) -> str:
    """Says that several plugins offer one name, and what to do."""
    names = sorted(owners)
    return (
        f"{kind}={name}: offered by more than one plugin ({', '.join(names)}); "
        f"uninstall one, or leave it out with ORCA_BLOCK_PLUGINS={names[-1]}"
    )


def load(strict: bool | None = None) -> Plugins:
    """Load every installed plugin, each isolated from the others' failures.

    Raises:
        UserError: a plugin is broken, under ``strict`` (default: ``ORCA_STRICT_PLUGINS=1``).
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    core = PluginInfo("builtin", "orca-explain", _core_version())
    manager.register(builtin, core.name)
    infos = {core.name: core}
    blocked = {name.strip() for name in os.environ.get("ORCA_BLOCK_PLUGINS", "").split(",")}
    for name, points in sorted(_entry_points().items()):
        infos[name] = _load_one(manager, name, points, blocked)
    components, config_paths, failed = _call_hooks(manager, infos)
    offers, conflicts = _by_name(components)
    loaded = Plugins(tuple(failed.get(name, info) for name, info in infos.items()), offers, config_paths, conflicts)
    strict = os.environ.get("ORCA_STRICT_PLUGINS") == "1" if strict is None else strict
    if strict and loaded.broken:
        raise UserError("\n".join(f"plugin '{plugin.name}': {plugin.error}" for plugin in loaded.broken))
    return loaded


def _entry_points() -> dict[str, list[EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=hookspecs.PROJECT):
        # an editable and a wheel of one distribution may both be visible; two distributions with one name are a conflict
        found.setdefault(point.name, {})[point.dist.name if point.dist else point.value] = point
    return {name: list(points.values()) for name, points in found.items()}


def _load_one(manager: pluggy.PluginManager, name: str, points: list[EntryPoint], blocked: set[str]) -> PluginInfo:
    distributions = ", ".join(sorted(point.dist.name if point.dist else "?" for point in points))
    version = points[0].dist.version if points[0].dist else "?"
    info = PluginInfo(name, distributions, version)
    if name in blocked:
        return PluginInfo(name, distributions, version, BLOCKED)
    if len(points) > 1 or manager.has_plugin(name):
        return PluginInfo(
            name, distributions, version, f"several distributions register this name: {distributions}; uninstall one"
        )
    try:
        manager.register(points[0].load(), name)
        manager.check_pending()
    except Exception as error:  # a plugin may raise anything at all
        if manager.has_plugin(name):
            manager.unregister(name=name)
        return PluginInfo(name, distributions, version, _reason(error))
    return info


def _call_hooks(
    manager: pluggy.PluginManager, infos: Mapping[str, PluginInfo]
) -> tuple[list[tuple[str, Offer]], tuple[str, ...], dict[str, PluginInfo]]:
    """Call each plugin's hooks on their own, so that one that raises takes only its own offers with it."""
    components: list[tuple[str, Offer]] = []
    paths: list[str] = []
    failed: dict[str, PluginInfo] = {}
    for name, info in infos.items():
        module = manager.get_plugin(name)
        if info.error or module is None:
            continue
        try:
            offered = [(kind, Offer(_checked(c), info)) for kind in KINDS for c in _call(module, f"orca_{kind}s")]
            offered_paths = [str(path) for path in _call(module, "orca_config_paths")]
        except Exception as error:
            failed[name] = PluginInfo(name, info.distribution, info.version, _reason(error))
            continue
        components += offered
        paths += offered_paths
    return components, tuple(paths), failed


def _call(module: object, hook: str) -> Iterable[Any]:
    function = getattr(module, hook, None)
    return () if function is None else function()


def _checked(component: object) -> Component[Any, Any]:
    if not isinstance(component, Component) or not issubclass(component.config, Config):
        raise TypeError(f"a hook must return orca_core.Component objects with an orca_core.Config, not {component!r}")
    return component


def _by_name(
    components: Iterable[tuple[str, Offer]],
) -> tuple[dict[str, dict[str, Offer]], dict[tuple[str, str], tuple[str, ...]]]:
    offers: dict[str, dict[str, Offer]] = {kind: {} for kind in KINDS}
    conflicts: dict[tuple[str, str], tuple[str, ...]] = {}
    for kind, offer in components:
        name = offer.component.name
        if name in offers[kind]:
            known = conflicts.get((kind, name), (offers[kind][name].plugin.name,))
            conflicts[kind, name] = (*known, offer.plugin.name)
        else:
            offers[kind][name] = offer
    for kind, name in conflicts:
        del offers[kind][name]
    return offers, conflicts


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _core_version() -> str:
    from orca_core import __version__

    return __version__
