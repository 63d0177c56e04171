"""Answering and scoring beside lm-eval and plain transformers: the same checkpoint, the same questions, one run.

::

    python benchmarks/evaluators.py --json evaluators.json
    python benchmarks/evaluators.py --items 40 --rounds 1

A LLaMA of 21M parameters (hidden 256, 6 layers, 32,000 tokens) with random weights, float32, one thread; CPU seconds of the work
alone, models loaded and texts prepared. Ours and theirs are processes of their own: what a student's responder tells the C library
to do with freed memory (a sixth of a small model's time) is not told to theirs. The ways take turns within a round; the table shows
medians of the rounds.

- answers: options of several tokens after a shared question of some 150 tokens; letters: options of one token;
- generation: greedy, prompts of 8 to 300 tokens in random order, answers of 1 to 192 tokens: as random weights would never end, every
  50th token is an end token, and as greedy answers would go round in circles, weights are five times as large as usual.
  transformers' ``generate`` takes batches of 16 in arrival order, padded on the left; lm-eval sorts by length.

What is found is compared as well: likelihoods to 1e-4 nats, the likeliest option, and every generated token.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from orca_lightning.answering.allocation import keep_freed
from orca_lightning.answering.decoding import Decoding
from orca_lightning.answering.generate import Room, generate
from orca_lightning.answering.likelihood import Asked, log_likelihoods
from orca_lightning.network.lean import slim
from orca_lightning.network.model import load_model

BATCH: Final = 16
NEW: Final = 192
ENDS: Final = list(range(1, 32_000, 50))
Texts = list[tuple[str, list[str]]]
"""Questions with their options."""
Timed = tuple[float, Any]
"""CPU seconds, and what was found."""
TARGETS: Final = {"answers": 6.0, "letters": 4.0, "generation": 3.0, "generation beside lm-eval": 2.0}


def checkpoint(folder: Path) -> Path:
    """A random model with a tokenizer of as many tokens, one word each."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{f"w{i}": i for i in range(3, 32_000)}}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>").save_pretrained(folder)
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 256,
        "intermediate_size": 688,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
    }
    config = LlamaConfig(
        **shape, initializer_range=0.1, vocab_size=32_000, max_position_embeddings=2048, pad_token_id=0, eos_token_id=1
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


class Ours:
    """A student of orca-lightning, as a run's responder sets it up."""

    def __init__(self, path: Path) -> None:
        keep_freed()
        self.model = load_model(path).eval()
        slim(self.model)

    def scored(self, asked: list[tuple[list[int], list[list[int]]]]) -> Timed:
        """Log-likelihoods of every option, ``[questions, options]``."""
        seconds, found = cpu(lambda: log_likelihoods(self.model, [Asked(prompt, options) for prompt, options in asked]))
        return seconds, np.array([[one.logprob for one in row] for row in found])

    def written(self, prompts: list[list[int]]) -> dict[str, Timed]:
        """New tokens of every prompt."""
        decoding, draws = Decoding(NEW, frozenset(ENDS), 2048), [np.random.default_rng(0)] * len(prompts)
        room = Room(rows=4 * BATCH)
        seconds, answers = cpu(lambda: dict(generate(self.model, prompts, decoding, draws, room=room)))
        return {"ours": (seconds, [answers[i].tokens for i in range(len(prompts))])}


class Theirs:
    """lm-eval and plain transformers."""

    def __init__(self, path: Path) -> None:
        from lm_eval.models.huggingface import HFLM
        from transformers import AutoModelForCausalLM

        logging.getLogger("lm_eval").setLevel(logging.ERROR)
        self.harness = HFLM(pretrained=str(path), device="cpu", dtype="float32", batch_size=BATCH)
        self.plain = AutoModelForCausalLM.from_pretrained(path).eval()
        for model in (self.plain, self.harness.model):
            model.generation_config.eos_token_id = ENDS

    def encoded(self, asked: Texts) -> list[tuple[list[int], list[list[int]]]]:
        """Questions and options as lm-eval's tokens, so that all score the same."""
        pairs = [[self.harness._encode_pair(question, option) for option in options] for question, options in asked]
        return [(options[0][0], [ids for _, ids in options]) for options in pairs]

    def scored(self, asked: Texts) -> Timed:
        """Log-likelihoods of every option, ``[questions, options]``."""
        requests = [_request(question, option) for question, options in asked for option in options]
        seconds, found = cpu(lambda: self.harness.loglikelihood(requests, True))
        return seconds, np.array([score for score, _ in found]).reshape(len(asked), -1)

    def written(self, prompts: list[list[int]]) -> dict[str, Timed]:
        """New tokens of every prompt; of lm-eval, texts."""
        wishes = {"until": ["</s>"], "max_gen_toks": NEW, "do_sample": False}
        requests = [_request(self.harness.tok_decode(prompt), wishes) for prompt in prompts]
        return {
            "lm-eval": cpu(lambda: self.harness.generate_until(requests, True)),
            "transformers": cpu(lambda: self._transformers(prompts)),
        }

    @torch.inference_mode()
    def _transformers(self, prompts: list[list[int]]) -> list[list[int]]:
        answers, ends = list[list[int]](), set(ENDS)
        for first in range(0, len(prompts), BATCH):
            batch = prompts[first : first + BATCH]
            longest = max(map(len, batch))
            ids = torch.tensor([[0] * (longest - len(p)) + p for p in batch])
            mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in batch])
            new = self.plain.generate(ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False)[
                :, longest:
            ].tolist()
            answers += [row[: next((i for i, t in enumerate(row) if t in ends), NEW) + 1] for row in new]
        return answers


class Client:
    """One of them in a process of its own, with the settings of memory that it has by itself."""

    def __init__(self, kind: type[Ours] | type[Theirs], path: Path) -> None:
        self._process = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=_begin, initargs=(kind, path)
        )

    def __call__(self, method: str, *arguments: Any) -> Any:
        return self._process.submit(_call, method, *arguments).result()


_here: list[Any] = []


def _begin(kind: type[Ours] | type[Theirs], path: Path) -> None:
    torch.set_num_threads(1)
    _here.append(kind(path))


def _call(method: str, *arguments: Any) -> Any:
    return getattr(_here[0], method)(*arguments)


def _request(*arguments: Any) -> Any:
    from lm_eval.api.instance import Instance

    return Instance("", {}, arguments, 0)


def words(draw: np.random.Generator, count: int) -> str:
    return " ".join(f"w{i}" for i in draw.integers(3, 32_000, count))


def measure(ours: Client, theirs: Client, items: int, seed: int) -> dict[str, Any]:
    """One round: CPU seconds by client and part, and whether they agree."""
    draw = np.random.default_rng(seed)
    several = [
        (words(draw, 150), [" " + words(draw, int(draw.integers(5, 12))) for _ in range(4)]) for _ in range(items)
    ]
    letters = [(question, [f" w{i}" for i in (10, 11, 12, 13)]) for question, _ in several]
    prompts = [draw.integers(3, 32_000, int(n)).tolist() for n in draw.integers(8, 300, items)]
    result: dict[str, Any] = {}
    for part, asked in (("answers", several), ("letters", letters)):
        (our_seconds, our_scores), (their_seconds, their_scores) = (
            ours("scored", theirs("encoded", asked)),
            theirs("scored", asked),
        )
        result[part] = {
            "ours": our_seconds,
            "lm-eval": their_seconds,
            "largest_difference": float(np.abs(our_scores - their_scores).max()),
            "same_choice": float((our_scores.argmax(1) == their_scores.argmax(1)).mean()),
        }
    found = ours("written", prompts) | theirs("written", prompts)
    result["generation"] = {name: seconds for name, (seconds, _) in found.items()}
    same = [a == b for a, b in zip(found["ours"][1], found["transformers"][1], strict=True)]
    result["generation"]["same_as_transformers"] = sum(same) / len(same)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=120, help="questions of each kind")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint(Path(folder))
        clients = Client(Ours, path), Client(Theirs, path)
        measure(*clients, 8, 0)  # the first pass of every shape sets kernels up
        rounds = [measure(*clients, options.items, seed + 1) for seed in range(options.rounds)]
    medians = {
        part: {name: statistics.median(r[part][name] for r in rounds) for name in rounds[0][part]} for part in rounds[0]
    }
    ratios = {part: medians[part]["lm-eval"] / medians[part]["ours"] for part in ("answers", "letters")}
    ratios["generation"] = medians["generation"]["transformers"] / medians["generation"]["ours"]
    ratios["generation beside lm-eval"] = medians["generation"]["lm-eval"] / medians["generation"]["ours"]
    for part, figures in medians.items():
        print(f"{part}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
    for part, ratio in ratios.items():
        print(f"{part}: {ratio:.2f} times ({'met' if ratio >= TARGETS[part] else 'not met'}: {TARGETS[part]:g})")
    if options.json:
        about = {
            "machine": platform.machine(),
            "items": options.items,
            "rounds": options.rounds,
            "load": os.getloadavg()[0],
        }
        record = {"about": about, "cpu_seconds": medians, "ratios": ratios}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
