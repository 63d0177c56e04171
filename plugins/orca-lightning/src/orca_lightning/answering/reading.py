"""One pass of the network for its hidden states at some tokens alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.models.llama import LlamaModel

from orca_lightning.answering.memory import Layers, Memory, opening_scope
from orca_lightning.network.attention import Scope
from orca_lightning.network.model import Model


def read(model: Model, ids: Tensor, positions: Tensor, scope: Scope, keep: tuple[Tensor, Tensor]) -> Tensor:
    """The last hidden states of the tokens to ``keep``, ``[kept, hidden]``.

    Of a LLaMA, the last layer's feed-forward part is run for these alone: the others have done their work as keys and values.

    Args:
        model: attends by scope.
        ids: ``[rows, tokens]``.
        positions: ``[rows or 1, tokens]``.
        scope: what each token may see.
        keep: their rows and columns, ``[kept]`` each.
    """
    decoder: Any = model.get_decoder()
    if not isinstance(decoder, LlamaModel):
        hidden: Tensor = decoder(input_ids=ids, position_ids=positions, scope=scope, use_cache=False).last_hidden_state
        return hidden[keep]
    llama: Any = decoder
    hidden = llama.embed_tokens(ids)
    told = {"position_embeddings": llama.rotary_emb(hidden, position_ids=positions), "scope": scope}
    *layers, last = llama.layers
    for layer in layers:
        hidden = layer(hidden, **told)
    attended, _ = last.self_attn(hidden_states=last.input_layernorm(hidden), attention_mask=None, **told)
    hidden = hidden[keep] + attended[keep]
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
    nothing = torch.zeros(0, dtype=torch.long, device=model.device)
    positions = torch.arange(len(shared), device=model.device)[None]
    read(model, ids, positions, opening_scope(memory, 0, 0, len(shared), model.device), (nothing, nothing))
    return memory.layers
