"""Answers by vLLM (https://docs.vllm.ai), where it is installed: paged memory and continuous batches on GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orca_core.errors import UserError
from orca_lightning.answering.decoding import Answer, Decoding


class VllmEngine:
    """Generates as :func:`orca_lightning.answering.generate.generate` does, but for rounding and the random numbers.

    Raises:
        UserError: vLLM is not installed.
    """

    def __init__(self, checkpoint: Path, dtype: str) -> None:
        try:
            import vllm
        except ImportError:
            raise UserError(
                "student.generation.engine=vllm needs vLLM: pip install vllm, or choose engine=orca"
            ) from None
        self.vllm: Any = vllm
        self.model = vllm.LLM(model=str(checkpoint), dtype=dtype, enable_prefix_caching=True)

    def generate(
        self, prompts: Sequence[Sequence[int]], decoding: Decoding, seeds: Sequence[int]
    ) -> Iterator[tuple[int, Answer]]:
        """Continue each prompt until an end token (kept), ``max_new_tokens`` or the last position."""
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        wishes = [
            self.vllm.SamplingParams(
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                max_tokens=min(decoding.max_new_tokens, decoding.positions - len(prompt)),
                stop_token_ids=sorted(decoding.end),
                seed=seed,
                detokenize=False,
            )
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        for number, answer in enumerate(self.model.generate(asked, wishes, use_tqdm=False)):
            yield number, Answer(list(answer.outputs[0].token_ids))
