"""One pass of the network for its hidden states at some tokens alone."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers.models.llama import LlamaModel

from orca_lightning.answering.memory import Layers, Memory, Opening
from orca_lightning.network.attention import Scope
from orca_lightning.network.lean import LeanAttention
from orca_lightning.network.model import Model


class Reading(Scope, Protocol):
    """The scope of a pass of which a few tokens' hidden states are wanted."""

    @property
    def keep(self) -> tuple[Tensor, Tensor]:
        """Their rows and columns, ``[kept]`` each."""
        ...

    def attend_kept(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """As ``attend``, with the queries of the kept tokens alone: ``[kept, heads, size]`` to the same shape."""
        ...


def read(model: Model, ids: Tensor, positions: Tensor, scope: Reading) -> Tensor:
    """The last hidden states of the tokens that the scope keeps, ``[kept, hidden]``.

    Of a LLaMA, all of the last layer but keys and values is run for these alone: the others have done their work by theirs.

    Args:
        model: attends by scope.
        ids: ``[rows, tokens]``.
        positions: ``[rows or 1, tokens]``.
        scope: what each token may see, and which are kept.
    """
    decoder: Any = model.get_decoder()
    if not isinstance(decoder, LlamaModel) or not isinstance(decoder.layers[-1].self_attn, LeanAttention):
        hidden: Tensor = decoder(input_ids=ids, position_ids=positions, scope=scope, use_cache=False).last_hidden_state
        return hidden[scope.keep]
    llama: Any = decoder
    hidden = llama.embed_tokens(ids)
    angles = llama.rotary_emb(hidden, position_ids=positions)
    *layers, last = llama.layers
    for layer in layers:
        hidden = layer(hidden, position_embeddings=angles, scope=scope)
    attended = last.self_attn.attend_kept(last.input_layernorm(hidden), angles, scope)
    hidden = hidden[scope.keep] + attended
    hidden = hidden + last.mlp(last.post_attention_layernorm(hidden))
    normed: Tensor = llama.norm(hidden)
    return normed


def run_shared(model: Model, shared: tuple[int, ...]) -> Layers:
    """Keys and values of a beginning, one row of them; none of an empty one."""
    if not shared:
        return ()
    memory = Memory(1)
    memory.reserve(len(shared))
    ids = torch.tensor([shared], device=model.device)
    positions = torch.arange(len(shared), device=model.device)[None]
    read(model, ids, positions, Opening(memory, 0, 0, positions[0, -1:]))
    return memory.layers
