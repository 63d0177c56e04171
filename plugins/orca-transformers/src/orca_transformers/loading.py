"""Model and tokenizer from a directory, a GGUF file or the hub; what goes wrong is said in terms of what the user can do."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from huggingface_hub import constants
from transformers.utils.hub import cached_file, extract_commit_hash

from orca_core.component import content_of_file
from orca_core.errors import UserError, did_you_mean
from orca_transformers.config import TransformersConfig

hf: Any = transformers
"""Not by its types, which cover a part."""
Model = Any
Tokenizer = Any
WHOLE: Final = "config.json"
"""The file by which a repository's commit is found out."""


class Source:
    """Where a configured model is, and how to load its pieces.

    Raises:
        UserError: from every method: there is no such model, the hub cannot be reached, or a piece is missing or unusable.
    """

    def __init__(self, config: TransformersConfig) -> None:
        self.config = config
        path = Path(config.model)
        single = config.local and path.is_file()
        self._place = str(path.parent if single else path) if config.local else str(config.model)
        self._gguf = path.name if single else config.gguf_file
        hf.logging.set_verbosity_error()
        hf.logging.disable_progress_bar()

    @functools.cached_property
    def identity(self) -> str:
        """Model and content: a local one's hash, the commit of a hub's. Answers in the response log are known by it."""
        config = self.config
        if config.local:
            return f"{config.name}@{_content(Path(config.model))}"
        with self._explained("the model"):
            file = cached_file(self._place, self._gguf or WHOLE, revision=config.revision)
            return f"{config.name}@{extract_commit_hash(file, None) or config.revision}"

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, with the chat template if one is wanted."""
        with self._explained("a tokenizer"):
            tokenizer = hf.AutoTokenizer.from_pretrained(self._place, **self._which())
        if self.config.template == "chat" and not tokenizer.chat_template:
            raise UserError(
                f"{self.config.name} has no chat template, so it is a base model, or lacks a file; choose one that was trained "
                "to answer, or teacher.template=plain to let it continue the bare text (few base models answer questions)"
            )
        return tokenizer

    def positions(self) -> int | None:
        """Longest context in tokens, prompt and answer together; None: the model has no limit."""
        with self._explained("a config.json"):
            config = hf.AutoConfig.from_pretrained(self._place, **self._which()).get_text_config()
        return getattr(config, "max_position_embeddings", None)

    def model(self, device: str | None) -> Model:
        """The model, ready to answer, on a device; None: over all there are.

        Its own generation settings (repetition penalty, top_k, ...) are left aside but for the end tokens: an answer is
        decided by the teacher's config alone.
        """
        dtype = "float32" if self._gguf and self.config.dtype == "auto" else self.config.dtype
        options: dict[str, Any] = {"quantization_config": hf.GgufConfig(dequantize=True)} if self._gguf else {}
        placed = "auto" if device is None else {"": device}
        with self._explained("weights of a causal language model"), _memory(self.config, device):
            model: Model = hf.AutoModelForCausalLM.from_pretrained(
                self._place, dtype=dtype, device_map=placed, **self._which(), **options
            )
        ends = model.generation_config.eos_token_id
        model.generation_config = hf.GenerationConfig(eos_token_id=ends, pad_token_id=0)
        return model.eval()

    def _which(self) -> Mapping[str, Any]:
        chosen = {"revision": self.config.revision, "gguf_file": self._gguf}
        return {name: value for name, value in chosen.items() if value is not None}

    @contextmanager
    def _explained(self, piece: str) -> Iterator[None]:
        """Turn what the library raises into what the user can do."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
            raise UserError(self._explanation(piece, error)) from error

    def _explanation(self, piece: str, error: Exception) -> str:
        name, reason = self.config.model, " ".join(str(error).split())[:300]
        if self.config.local:
            return f"{name} is no model that can be used, for want of {piece}: {reason}"
        if (nearby := _nearby(str(name))) is not None:
            return f"{name}: no such directory{nearby}; teacher.model is a directory, a GGUF file or a name on the hub"
        return (
            f"{name} is no directory here, and the hub gave no {piece.removeprefix('a ')}: {reason}. Where there is a network: "
            f"`hf download {name}` puts it into {constants.HF_HUB_CACHE} (HF_HOME moves that), or give the path of a copy: "
            "teacher.model=/path/to/directory"
        )


def devices(config: TransformersConfig) -> tuple[str | None, ...]:
    """The devices that get a copy of the model; None: one copy over all of them.

    Raises:
        UserError: a device that is named is not there.
    """
    if config.spread:
        return (None,)
    gpus = tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))
    if config.devices is None:
        return gpus or (("mps",) if torch.backends.mps.is_available() else ("cpu",))
    known = {*gpus, "cpu", *(["cuda"] if gpus else []), *(["mps"] if torch.backends.mps.is_available() else [])}
    for name in config.devices:
        if name not in known and not name.startswith("xpu"):
            raise UserError(f"teacher.devices: there is no {name} here{did_you_mean(name, known)}")
    return config.devices


def ends(model: Model, tokenizer: Tokenizer) -> frozenset[int]:
    """The tokens that end an answer."""
    own = model.generation_config.eos_token_id
    found = [tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])]
    return frozenset(token for token in found if token is not None)


@contextmanager
def _memory(config: TransformersConfig, device: str | None) -> Iterator[None]:
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        place = device or "all devices together"
        raise UserError(
            f"{config.name} does not fit into the memory of {place}; choose a smaller one, teacher.dtype=bfloat16, "
            "or teacher.spread=true to lay one copy over all devices"
        ) from error


@functools.cache
def _content(path: Path) -> str:
    """Read once per process: weights are large."""
    return content_of_file(path)[:16]


def _nearby(name: str) -> str | None:
    """What is like a name that was meant as a path; None if it looks like one of the hub (``name`` or ``owner/name``)."""
    if not (name.startswith(("/", ".", "~")) or name.count("/") > 1 or name.endswith(".gguf")):
        return None
    path = Path(name).expanduser()
    there = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return did_you_mean(path.name, there) if there else f" (nor {path.parent})"
