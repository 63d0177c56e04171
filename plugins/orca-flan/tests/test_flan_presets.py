"""Every preset composes offline into the draw that the paper describes; none of the Hub's data sets is reached here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from orca_flan.config import FlanConfig

from orca_core import plugins as plugin_loading
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.errors import ConfigError

CONF = files("orca_flan.conf")
PAPER = {"cot": 150_000, "niv2": 440_000, "flan2021": 2_500_000, "t0": 2_000_000}
"""What is taken of each collection (Table 3)."""
OWN_PATHS = {
    "flan-files": ("cot", "niv2"),
    "files": ("cot", "niv2", "flan2021", "t0"),
}


def composed(*overrides: str) -> FlanConfig:
    """The config of the sampler that draws, be it inside a subset."""
    plugins = plugin_loading.load(strict=True)
    config, _ = compose_run(overrides, plugins)
    drawing: Any = check(config, plugins).phases[0].sampler.config
    if not hasattr(drawing, "of"):
        return FlanConfig.model_validate(drawing)
    return FlanConfig.model_validate({key: value for key, value in drawing.of.items() if key != "name"})


def paths(names: tuple[str, ...], root: Path) -> list[str]:
    return [f"sampler.collections.{name}.source.path={root}" for name in names]


def options(group: str) -> list[str]:
    return sorted(entry.name.removesuffix(".yaml") for entry in CONF.joinpath(group).iterdir())


def head(group: str, name: str) -> str:
    return CONF.joinpath(group, f"{name}.yaml").read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in ("sampler", "flan_source") for name in options(group)]
)
def test_every_preset_says_in_its_first_line_what_it_is(group: str, name: str) -> None:
    assert head(group, name).startswith("# FLAN")


@pytest.mark.parametrize("name", options("sampler"))
def test_every_sampler_composes_and_draws_what_the_paper_draws(name: str, tmp_path: Path) -> None:
    config = composed(f"sampler={name}", *paths(OWN_PATHS.get(name, ()), tmp_path))
    assert config.messages is not None
    assert len(config.messages) == 16
    assert config.collections["niv2"].cap == 300
    if name != "flan-files":
        assert config.collections.keys() == PAPER.keys()
        assert config.collections["flan2021"].per_template
        assert config.collections["flan2021"].cap == 1_000_000
        assert not config.collections["t0"].per_template


@pytest.mark.parametrize("name", ["flan-5m", "flan-1m"])
def test_the_full_draw_has_the_papers_sizes(name: str) -> None:
    sizes = {key: collection.n for key, collection in composed(f"sampler={name}").collections.items()}
    assert sizes == PAPER | {"cot": None}


def test_a_million_of_them_are_drawn_for_the_second_teacher() -> None:
    plugins = plugin_loading.load(strict=True)
    config, _ = compose_run(["sampler=flan-1m"], plugins)
    part = check(config, plugins).phases[0].sampler
    assert part.component.name == "subset"
    assert part.identity()["config"]["n"] == 1_000_000
    assert part.identity()["config"]["of"]["config"]["collections"].keys() == PAPER.keys()


def test_the_small_draw_has_the_papers_proportions() -> None:
    sizes = {key: collection.n or 0 for key, collection in composed("sampler=flan-50k").collections.items()}
    assert sum(sizes.values()) == 50_000
    assert all(abs(sizes[name] - share * 50_000 / sum(PAPER.values())) < 1 for name, share in PAPER.items())


@pytest.mark.parametrize("source", options("flan_source"))
@pytest.mark.parametrize("sampler", ["flan-5m", "flan-50k"])
def test_every_source_goes_with_every_size(source: str, sampler: str, tmp_path: Path) -> None:
    overrides = [f"sampler={sampler}", f"flan_source@sampler.collections={source}"]
    config = composed(*overrides, *paths(OWN_PATHS.get(source, ()), tmp_path))
    assert config.collections["t0"].n == composed(f"sampler={sampler}").collections["t0"].n
    kinds = {collection.source.kind for collection in config.collections.values()}
    assert kinds == ({"cot", "niv2", "files"} if source == "files" else {"hub"})


def test_the_source_of_a_subset_is_switched_inside_it() -> None:
    config = composed("sampler=flan-1m", "flan_source@sampler.of.collections=submix")
    assert config.collections["t0"].source.dataset == "conceptofmind/t0_submix_original"  # type: ignore[union-attr]


def test_paths_that_are_not_given_are_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"sampler\.collections\.cot\.source\.path: missing"):
        composed("sampler=flan-files")


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("sampler.collections.niv2.cap=100", lambda config: config.collections["niv2"].cap == 100),
        ("sampler.messages=null", lambda config: config.messages is None),
        ("system_messages@sampler.messages=empty", lambda config: len(config.messages) == 1),
        ("sampler.messages.m07.text=Kurz.", lambda config: config.messages["m07"].text == "Kurz."),
        ("sampler.bad_rows=skip", lambda config: config.bad_rows == "skip"),
        ("sampler.collections.t0.source.revision=v1", lambda config: config.collections["t0"].source.revision == "v1"),
    ],
)
def test_every_rate_and_message_is_a_value_that_can_be_set(override: str, value: Any) -> None:
    assert value(composed("sampler=flan-5m", override))


def test_a_key_that_is_not_there_is_told_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match=r"sampler\.collections\.niv2.*caps: unknown key; did you mean 'cap'"):
        composed("sampler=flan-5m", "+sampler.collections.niv2.caps=3")


def test_any_data_set_of_the_hub_is_a_few_lines() -> None:
    text = """
    pile:
      source:
        kind: hub
        dataset: some/questions
        columns: {query: "{context}\\n\\n{question}", target: answers.text, task: =qa}
      n: 1000
    """
    collections: Mapping[str, Any] = yaml.safe_load(text)
    assert FlanConfig.model_validate({"collections": collections}).collections["pile"].n == 1000
