"""Building the student's network: a LLaMA of a given shape, or a pretrained model, ready for its tokenizer."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama import LlamaConfig, LlamaForCausalLM

from orca_core.errors import UserError
from orca_lightning.config import ModelShape
from orca_lightning.network.attention import NAME
from orca_lightning.text.source import located
from orca_lightning.text.tokenizer import Tokenizer

Model = Any
"""A ``transformers.PreTrainedModel`` for causal language modelling."""


def llama_config(shape: ModelShape, **more: Any) -> LlamaConfig:
    """The transformers config of a shape; ``more`` overrides and adds to it."""
    return LlamaConfig(
        **{
            "vocab_size": shape.vocab_size,
            "hidden_size": shape.hidden_size,
            "intermediate_size": shape.intermediate_size,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads or shape.heads,
            "max_position_embeddings": shape.positions,
            "tie_word_embeddings": shape.tie_embeddings,
            "rope_theta": shape.rope_theta,
            "initializer_range": shape.init_std,
            "attn_implementation": NAME,
            **more,
        }
    )


def new_model(shape: ModelShape, tokenizer: Tokenizer, seed: int) -> Model:
    """A LLaMA from scratch with as many embeddings as the tokenizer has tokens; weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(llama_config(shape, vocab_size=len(tokenizer)))
    _name_specials(model, tokenizer)
    return model


def meta_model(shape: ModelShape) -> Model:
    """The network without weights: for counting parameters, planning, and deferred loading."""
    with torch.device("meta"):
        return LlamaForCausalLM(llama_config(shape))


def parameters(model: Model) -> int:
    """How many parameters there are, a tied matrix counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def load_model(
    source: str | Path, *, attention: str = NAME, dtype: torch.dtype = torch.float32, quantize: str | None = None
) -> Model:
    """A pretrained causal language model, from a directory or a Hugging Face id.

    Args:
        source: of the weights.
        attention: transformers' name of the attention function.
        dtype: of the weights.
        quantize: keep the weights of linear layers in 4 bits of this kind (``nf4``), frozen, by bitsandbytes.

    Raises:
        UserError: it cannot be loaded.
    """
    place, more = located(source)
    if more:
        from transformers import GgufConfig

        # as plain numbers: what is quantised could be neither trained nor saved
        more["quantization_config"] = GgufConfig(dequantize=True)
    if quantize is not None:
        more["quantization_config"] = _in_four_bits(quantize)
    try:
        return AutoModelForCausalLM.from_pretrained(place, dtype=dtype, attn_implementation=attention, **more)
    except (OSError, ValueError) as error:
        raise UserError(f"no model could be loaded from '{source}': {error}") from error


def _in_four_bits(kind: str) -> Any:
    if find_spec("bitsandbytes") is None:
        raise UserError("student.lora.quantize needs bitsandbytes: pip install 'orca-lightning[qlora]'")
    from transformers import BitsAndBytesConfig

    config: Any = BitsAndBytesConfig
    return config(load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=True)


def skeleton(directory: Path, tokenizer: Tokenizer) -> Model:
    """The network of a saved model with room for every token of the tokenizer, without weights: parameters on the meta device.

    Buffers that no file holds, such as rotary frequencies, have their values.

    Raises:
        UserError: its config cannot be used.
    """
    from accelerate import init_empty_weights

    auto: Any = AutoModelForCausalLM
    try:
        config = AutoConfig.from_pretrained(str(directory))
        config.vocab_size = max(config.vocab_size, len(tokenizer))
        with init_empty_weights(include_buffers=False):
            model = auto.from_config(config, dtype=torch.float32, attn_implementation=NAME)
    except (OSError, ValueError) as error:
        raise UserError(f"no model could be made from the config in '{directory}': {error}") from error
    model.tie_weights()
    _name_specials(model, tokenizer)
    return model


def decoder_layers(model: Model) -> nn.ModuleList:
    """The repeated blocks of a causal language model, whatever its architecture calls them.

    Raises:
        UserError: there are none to be found.
    """
    lists = [module for module in model.get_decoder().modules() if isinstance(module, nn.ModuleList)]
    blocks = max(lists, key=len, default=nn.ModuleList())
    if not len(blocks):
        raise UserError(f"{type(model).__name__} has no list of layers to shard; train it with strategy=single")
    return blocks


def fit_vocabulary(model: Model, tokenizer: Tokenizer) -> None:
    """Give every token of the tokenizer an embedding and tell the model its special tokens.

    New rows are the mean of the old ones, so a new token is at first as likely as an average one; every old logit stays.
    """
    old = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > old:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        with torch.no_grad():
            for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
                layer.weight[old:] = layer.weight[:old].mean(0)
    _name_specials(model, tokenizer)


def _name_specials(model: Model, tokenizer: Tokenizer) -> None:
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.config, name, getattr(tokenizer, name))
        setattr(model.generation_config, name, getattr(tokenizer, name))


def check_shape(model: Model, shape: ModelShape, base: str) -> None:
    """Compare a pretrained model with the shape that the config announces (the vocabulary as it is after resizing).

    Raises:
        UserError: they differ.
    """
    want, have = llama_config(shape), model.config
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    wrong = [
        f"{n} is {getattr(have, n)}, not {getattr(want, n)}" for n in names if getattr(have, n) != getattr(want, n)
    ]
    if wrong:
        raise UserError(
            f"student.base: {base} has another shape than student.model: {'; '.join(wrong)}; or set student.model=null"
        )
