"""The presets and replacements, held against litellm and its bundled price map."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from orca_litellm import LiteLLMConfig
from orca_litellm.ends import replacements
from orca_litellm.prices import find_tariff

from orca_core import plugins as plugin_loading
from orca_core.compose import compose_run

FOLDER = files("orca_litellm.conf").joinpath("teacher")
PAPER = {"chatgpt", "gpt-4"}
"""Past their end, kept because they are the paper's."""
TODAYS = [
    *("gpt-4.1", "gpt-4.1-mini", "gpt-6-sol", "gpt-6-luna"),
    *("claude-opus-5-5", "claude-haiku-5-5"),
    *("gemini-4-argon", "gemini-3.8-flash"),
    *("deepseek-v4-pro", "deepseek-v4-flash"),
]
USES = [(n, m) for n in (1, 90_000, 150_000, 250_000, 300_000) for m in (1, 3000)]
"""Prompt and completion tokens below and above the steps in the price lists."""

SCRIPT = """
import json, sys
import litellm
question, answer = json.load(sys.stdin), {}
for entry in litellm.model_cost.values():
    entry.pop("off_peak_pricing", None)  # ours is the price at the dearer hours
for model, settings in question["models"]:
    name, provider, _, _ = litellm.get_llm_provider(model)
    entry = litellm.model_cost[litellm.get_model_info(model)["key"]]
    def refused(setting, value):
        try:
            litellm.get_optional_params(model=name, custom_llm_provider=provider, **{setting: value})
        except litellm.UnsupportedParamsError:
            return True
        return False
    costs = [
        sum(litellm.cost_per_token(model, prompt_tokens=n, completion_tokens=m)) for n, m in question["uses"]
    ] if entry["mode"] == "chat" else None
    answer[model] = {
        "entry": entry,
        "costs": costs,
        "refused": [setting for setting, value in settings.items() if refused(setting, value)],
        "takes_temperature": not refused("temperature", 0.7),
    }
print(json.dumps(answer))
"""


def preset(name: str) -> LiteLLMConfig:
    node, _ = compose_run([f"teacher={name}"], plugin_loading.load())
    from omegaconf import OmegaConf

    values: Any = OmegaConf.to_container(node.teacher)
    assert values.pop("name") == "litellm"
    return LiteLLMConfig.model_validate(values)


@cache
def litellm_says() -> dict[str, dict[str, Any]]:
    """What litellm knows of every preset's model and of every replacement; asked once, in a process of its own."""
    models: list[tuple[str, dict[str, Any]]] = [(m, {}) for pair in replacements().items() for m in pair]
    for name in (*PAPER, *TODAYS):
        config = preset(name)
        models.append((config.model, config.decoding))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        input=json.dumps({"models": models, "uses": USES}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def is_past(entry: dict[str, Any], today: date) -> bool:
    return "deprecation_date" in entry and date.fromisoformat(entry["deprecation_date"]) <= today


def test_every_preset_of_a_listed_model_is_known_here():
    named = {p.name.removesuffix(".yaml") for p in FOLDER.iterdir() if "model: ???" not in p.read_text()}
    listed = {n for n in named if re.search(r"^model: (openai|anthropic|gemini|deepseek)/", _text(n), re.M)}
    listed -= {n for n in listed if "api_base:" in _text(n)}  # servers of one's own
    assert listed == PAPER | set(TODAYS)


def _text(name: str) -> str:
    return FOLDER.joinpath(f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", [*sorted(PAPER), *TODAYS])
def test_a_preset_is_priced_and_its_settings_are_taken(name):
    config = preset(name)
    told = litellm_says()[config.model]
    assert told["refused"] == []
    tariff = find_tariff(config, told["entry"])
    assert tariff is not None
    assert tariff.cost(1000, 1000) > 0


@pytest.mark.parametrize("name", TODAYS)
def test_a_preset_of_today_is_not_past_its_end(name):
    assert not is_past(litellm_says()[preset(name).model]["entry"], date.today())


@pytest.mark.parametrize("name", [*sorted(PAPER), *TODAYS])
def test_a_preset_says_which_role_it_suits(name):
    assert re.match(r"# (The paper's )?(teacher|assistant): ", _text(name), re.IGNORECASE)


def test_both_roles_are_there_for_every_provider():
    roles: dict[str, set[str]] = {}
    for name in TODAYS:
        roles.setdefault(preset(name).model.split("/")[0], set()).add(_text(name).split(":")[0])
    assert roles
    assert set(map(frozenset, roles.values())) == {frozenset({"# Teacher", "# Assistant"})}


def test_models_that_refuse_the_papers_temperature_are_asked_without():
    refusing = {name for name in TODAYS if not litellm_says()[preset(name).model]["takes_temperature"]}
    assert {"gpt-6-sol", "claude-opus-5-5"} <= refusing
    assert {"gpt-4.1", "gpt-4.1-mini"} & refusing == set()


@pytest.mark.parametrize("model", sorted(set(replacements().values())))
def test_a_replacement_is_listed_priced_and_not_past_its_end(model):
    entry = litellm_says()[model]["entry"]
    assert not is_past(entry, date.today())
    assert find_tariff(LiteLLMConfig(model=model), entry) is not None


def test_what_is_replaced_has_an_end_and_is_not_its_own_replacement():
    for model in replacements():
        assert "deprecation_date" in litellm_says()[model]["entry"], model
        assert replacements()[model] not in replacements()


@pytest.mark.parametrize("name", [*sorted(PAPER), *TODAYS])
def test_our_prices_are_litellms(name):
    config = preset(name)
    told = litellm_says()[config.model]
    tariff = find_tariff(config, told["entry"])
    assert tariff is not None
    ours = [tariff.cost(n, m) for n, m in USES]
    assert ours == pytest.approx(told["costs"])


def test_prices_with_steps_are_litellms_too():
    stepped = {m for m, told in litellm_says().items() if any("_above_" in key for key in told["entry"])}
    assert stepped
    for model in stepped:
        told = litellm_says()[model]
        tariff = find_tariff(LiteLLMConfig(model=model), told["entry"])
        assert tariff is not None
        assert [tariff.cost(n, m) for n, m in USES] == pytest.approx(told["costs"]), model


def test_tiers_above_a_length_and_batch_prices_are_read_from_an_entry():
    entry = {
        "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-6, "output_cost_per_token": 5e-6},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-6, "output_cost_per_token": 9e-6},
        ]
    }
    tiers = find_tariff(LiteLLMConfig(model="dashscope/x"), entry)
    assert tiers is not None
    assert [tiers.cost(32_000, 1), tiers.cost(32_001, 1)] == pytest.approx([0.032005, 0.064011])
    assert tiers.batch_cost(1, 1) is None
    batch = find_tariff(LiteLLMConfig(model="gemini/x"), litellm_says()["anthropic/claude-haiku-5-5"]["entry"])
    assert batch is not None
    assert batch.batch_cost(100_000, 0) == pytest.approx(100_000 * 5e-8)
    assert batch.batch_cost(100_001, 0) == pytest.approx(100_001 * 2.5e-7)
