"""A network as numbers: how many weights it has and how wide it is where; from a config alone, without weights.

LLaMA's parts per layer (hidden ``h``, queries ``q = heads * head_size``, keys ``k = kv_heads * head_size``, feed-forward ``f``):
query ``hq``, key and value ``2hk``, output ``qh``, gate, up and down ``3hf``, two norms ``2h``. LLaMA-13B: 40 layers of
4 * 5120^2 + 3 * 5120 * 13824 + 2 * 5120 = 317,204,480, two matrices of 32,000 * 5120 and a last norm: 13,015,864,320.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orca_core.errors import UserError
from orca_lightning.config import LightningConfig, ModelShape


@dataclass(frozen=True)
class Network:
    """The shape of a causal language model built as LLaMA is."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int
    tied: bool
    """Whether one matrix is both the input embedding and the output layer."""
    lean: bool = True
    """Whether :mod:`orca_lightning.network.lean` takes the place of its elementwise parts (LLaMA alone)."""
    attention_bias: bool = False
    """Whether queries, keys and values have biases (Qwen2)."""
    head_norms: bool = False
    """Whether queries and keys are normed head by head (Qwen3)."""

    @property
    def queries(self) -> int:
        """Width of the queries."""
        return self.heads * self.head_size

    @property
    def keys(self) -> int:
        """Width of the keys, and of the values."""
        return self.kv_heads * self.head_size

    @property
    def layer_matrices(self) -> int:
        """Weights of a layer that multiply: ``2hq + 2hk + 3hf``."""
        return self.hidden * (2 * self.queries + 2 * self.keys + 3 * self.intermediate)

    @property
    def layer_parameters(self) -> int:
        """All weights of a layer, norms and biases included."""
        biases = (self.queries + 2 * self.keys) * self.attention_bias
        return self.layer_matrices + 2 * self.hidden + 2 * self.head_size * self.head_norms + biases

    @property
    def vocabulary_parameters(self) -> int:
        """Weights of the input embedding and the output layer, once if they are one matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.layers * self.layer_parameters + self.vocabulary_parameters + self.hidden


def of_shape(shape: ModelShape) -> Network:
    """The network that is built from a shape."""
    return Network(
        hidden=shape.hidden_size,
        layers=shape.layers,
        heads=shape.heads,
        kv_heads=shape.kv_heads or shape.heads,
        head_size=shape.hidden_size // shape.heads,
        intermediate=shape.intermediate_size,
        vocabulary=shape.vocab_size,
        tied=shape.tie_embeddings,
    )


def of_config(facts: Mapping[str, Any], source: str) -> Network:
    """The network that a Hugging Face ``config.json`` describes.

    Raises:
        UserError: it describes none that is built as LLaMA is (no gated feed-forward layer, experts).
    """
    if facts.get("num_experts") or facts.get("num_local_experts"):
        raise UserError(f"{source} is a mixture of experts, whose costs are not known beforehand")
    try:
        hidden, heads = int(facts["hidden_size"]), int(facts["num_attention_heads"])
        kind = facts.get("model_type", "")
        return Network(
            hidden=hidden,
            layers=int(facts["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(facts.get("num_key_value_heads") or heads),
            head_size=int(facts.get("head_dim") or hidden // heads),
            intermediate=int(facts["intermediate_size"]),
            vocabulary=int(facts["vocab_size"]),
            tied=bool(facts.get("tie_word_embeddings", kind != "llama")),
            lean=kind == "llama",
            attention_bias=kind == "qwen2" or bool(facts.get("attention_bias", False)),
            head_norms=kind == "qwen3",
        )
    except KeyError as missing:
        raise UserError(
            f"{source} is not built as LLaMA is (no {missing}): its costs are not known beforehand"
        ) from None


def starting_network(config: LightningConfig, init: Path | None = None, vocabulary: int | None = None) -> Network:
    """The network that a fit trains: that of the phase before, of the config's shape, or of its base.

    Args:
        config: the student's.
        init: the checkpoint to start from, if there is one.
        vocabulary: tokens of the tokenizer, if it is known.

    Raises:
        UserError: the base's ``config.json`` cannot be had, or tells of another architecture.
    """
    if init is not None:
        network = of_config(json.loads((init / "config.json").read_text()), str(init))
    elif config.model is not None:
        network = of_shape(config.model)
    else:
        assert config.base is not None  # the config makes sure that there is a base or a shape
        network = of_config(base_config(config.base), f"student.base: {config.base}")
    return network if vocabulary is None else replace(network, vocabulary=vocabulary)


def base_config(base: str) -> Mapping[str, Any]:
    """The ``config.json`` of a base: a directory, or a Hugging Face id, of which nothing else is fetched.

    Raises:
        UserError: there is none, or the Hub cannot be reached.
    """
    path = Path(base) / "config.json"
    if not path.is_file():
        from huggingface_hub import hf_hub_download

        try:
            path = Path(hf_hub_download(base, "config.json", etag_timeout=5))
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"student.base: no config.json of '{base}' could be had: {reason}") from None
    facts: Mapping[str, Any] = json.loads(path.read_text())
    return facts
