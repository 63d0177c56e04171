"""A tiny model with random weights and a tokenizer trained on the spot, and prompts for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import orca_transformers
import pytest

from orca_core import Prompt, Query, Responder
from orca_core.testing import build, make_context

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write(directory: Path, *, template: str | None = TEMPLATE, positions: int = 256) -> Path:
    """A LLaMA whose weights are large enough for varied answers, some of which end by themselves."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    specials = ["<pad>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([f"{a} + {b} = {a + b}. Think step by step." for a in range(9) for b in range(9)], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<pad>")
    tokenizer.chat_template = template
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture
def write_model() -> Callable[..., Path]:
    return write


@pytest.fixture
def make_teacher(tiny: Path, tmp_path: Path) -> Callable[..., Responder]:
    def make(seed: int = 0, cache: str = "cache", **config: object) -> Responder:
        context = make_context(tmp_path / cache, seed=seed)
        return build(orca_transformers.TRANSFORMERS, context, **{"model": str(tiny), "devices": ("cpu",), **config})

    return make


@pytest.fixture
def prompts() -> Callable[[int], list[Prompt]]:
    def make(count: int) -> list[Prompt]:
        draw = random.Random(0)
        texts = [" + ".join(str(draw.randint(0, 9)) for _ in range(draw.randint(2, 30))) for _ in range(count)]
        return [Prompt(Query(f"{i}: {t} = ?", "sums"), "Think." if i % 2 else "") for i, t in enumerate(texts)]

    return make
