"""What litellm knows of a model: its provider, the parameters to send, the names of its key variables, its price.

litellm decides, but importing it costs seconds and 190 MB, so it is asked in a child process (``python -m orca_litellm.facts``,
JSON in, JSON out, without the parent's environment) and the answer is kept in a file named by the question and litellm's version.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from orca_core import OrcaError, UserError
from orca_core.errors import did_you_mean

FORMAT: Final = 1
"""Of the cached files; part of their names."""
PATIENCE_S: Final = 300.0
"""How long the child may take; on an idle machine it takes five seconds."""
PLAIN: Final = ("openai", "hosted_vllm", "custom_openai", "openai_like", "lm_studio", "llamafile", "litellm_proxy")
"""litellm's providers behind which there is a POST to ``api_base/chat/completions`` and nothing else."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
PASSED_ON: Final = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "TMPDIR", "SYSTEMROOT")
PROBE: Final = ({"role": "system", "content": "S"}, {"role": "user", "content": "U"})


@dataclass(frozen=True, slots=True)
class Facts:
    """litellm's decisions about one model and its settings."""

    provider: str
    model: str
    """The name that is sent: without the provider."""
    parameters: Mapping[str, Any]
    """The decoding as this model takes it (``max_tokens`` may have become ``max_completion_tokens``)."""
    api_base: str | None
    """The provider's URL, as far as litellm's table of providers tells it."""
    key_variables: tuple[str, ...]
    """Environment variables that a key may come from, any one of them; empty: the provider needs none or has other ways."""
    plain: bool
    """Whether the model takes the messages as they are, by POST to ``api_base/chat/completions``."""
    price: Mapping[str, Any] | None
    """The entry of litellm's price map (dollars per token, limits, ``deprecation_date``); None: it has none."""
    prices: str
    """BLAKE2b of the whole bundled price map."""
    litellm: str
    """Its version."""


def get_facts(model: str, decoding: Mapping[str, Any], api_base: str | None, cache: Path) -> Facts:
    """What litellm says about a model; from ``cache/litellm-facts`` if it was asked before.

    Raises:
        UserError: litellm knows no provider for the model, or the model does not take one of the settings.
    """
    if api_base is not None and urlsplit(api_base).hostname in LOCAL:
        api_base = None  # litellm knows some public hosts by name; of a port on this machine it knows nothing
    question = {"model": model, "decoding": dict(decoding), "api_base": api_base}
    version = metadata.version("litellm")
    name = hashlib.blake2b(json.dumps([FORMAT, version, question], sort_keys=True).encode(), digest_size=16).hexdigest()
    path = cache / "litellm-facts" / f"{name}.json"
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        told = _ask_child(question)
        if "error" in told:
            raise UserError(told["error"]) from None
        _keep(path, told)
    return Facts(**told | {"key_variables": tuple(told["key_variables"])})


def _ask_child(question: Mapping[str, Any]) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "PYTHONWARNINGS": "ignore"}
    child = subprocess.run(
        [sys.executable, "-m", "orca_litellm.facts"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        env=environment,
        timeout=PATIENCE_S,
        check=False,
        start_new_session=True,  # Ctrl-C is for the parent to tell
    )
    if child.returncode != 0:
        raise OrcaError(f"litellm cannot be asked about {question['model']}: {child.stderr.strip()[-2000:]}")
    told: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])  # litellm prints on stdout too
    return told


def _keep(path: Path, told: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.{os.getpid()}")
    whole.write_text(json.dumps(told))
    whole.replace(path)


# --- in the child ---------------------------------------------------------------------------------------------------------


def _find_out(model: str, decoding: Mapping[str, Any], api_base: str | None) -> Facts:
    """Raises UserError."""
    litellm: Any = importlib.import_module("litellm")  # by name: its types would make mypy read all of it
    try:
        name, provider, _, base = litellm.get_llm_provider(model, api_base=api_base)
    except litellm.BadRequestError:
        raise UserError(_no_provider(model, litellm.model_list)) from None
    parameters = _parameters(litellm, model, name, provider, decoding)
    entry = _price(litellm, model)
    missing = litellm.validate_environment(model, api_base=api_base)["missing_keys"]
    return Facts(
        provider=provider,
        model=name,
        parameters=parameters,
        api_base=base or ("https://api.openai.com/v1" if provider == "openai" else None),
        key_variables=() if provider == "azure" else tuple(key for key in missing if key.endswith("_API_KEY")),
        plain=provider in PLAIN and (entry or {}).get("mode", "chat") == "chat" and _unchanged(litellm, name, provider),
        price=entry,
        prices=hashlib.blake2b(json.dumps(litellm.model_cost, sort_keys=True).encode(), digest_size=16).hexdigest(),
        litellm=metadata.version("litellm"),
    )


def _no_provider(model: str, listed: list[str]) -> str:
    known = did_you_mean(model, listed)
    near = known if "did you mean" in known else ""
    return (
        f"model = {model}: litellm knows no provider for it{near} Write PROVIDER/NAME, "
        f"or openai/{model} with api_base for an OpenAI-compatible server"
    )


def _parameters(litellm: Any, model: str, name: str, provider: str, decoding: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under the names that the provider takes; those that litellm adds on its own account are left out."""
    mapped: dict[str, Any] = {}
    for setting, value in decoding.items():
        try:
            one = litellm.get_optional_params(model=name, custom_llm_provider=provider, **{setting: value})
        except litellm.UnsupportedParamsError:
            raise UserError(
                f"{setting} = {value!r}: {model} does not take it; leave it out (teacher.{setting}=null)"
            ) from None
        mapped |= one
    return {key: value for key, value in mapped.items() if key not in ("stream", "extra_body")}


def _price(litellm: Any, model: str) -> dict[str, Any] | None:
    try:
        key = litellm.get_model_info(model)["key"]
    except Exception:  # litellm raises a bare Exception subclass for a model that is not in its map
        return None
    entry: dict[str, Any] | None = litellm.model_cost.get(key)
    return entry


def _unchanged(litellm: Any, name: str, provider: str) -> bool:
    """Whether litellm would send the messages as they are (it rewrites system messages for some models)."""
    config = litellm.utils.ProviderConfigManager.get_provider_chat_config(
        model=name, provider=litellm.LlmProviders(provider)
    )
    sent = config.transform_request(name, [dict(message) for message in PROBE], {}, {}, {})
    return bool(sent == {"model": name, "messages": list(PROBE)})


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What the child says: facts, or an ``error`` for the user."""
    try:
        return asdict(_find_out(question["model"], question["decoding"], question["api_base"]))
    except UserError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    print(json.dumps(answer(json.load(sys.stdin))))
