"""bespokelabs-curator's OpenAI backend on a loopback endpoint, with limits so wide that it is never paced.

It has to be told: without them, and without rate limit headers, it keeps to 100,000 tokens a minute. Its viewer, telemetry and
live panel are off; its cache of requests and responses is on, as always.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import litellm
from bespokelabs import curator
from common import KEY, MODEL, Task, good, main


class Teacher(curator.LLM):  # type: ignore[misc]
    def prompt(self, row: dict[str, Any]) -> list[dict[str, str]]:
        return [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["question"]}]

    def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
        return {**row, "answer": response}


def ask(task: Task) -> int:
    # tiktoken would download its vocabulary; litellm, which curator imports anyway, ships that file
    vocabularies = Path(litellm.__file__).parent / "litellm_core_utils/tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(vocabularies)
    teacher = Teacher(
        model_name=MODEL,
        backend="openai",
        backend_params={
            "base_url": task.url,
            "api_key": KEY,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 1_000_000_000_000,
            "max_concurrent_requests": task.workers,
        },
    )
    answers = teacher([{"system": system, "question": question} for system, question in task.prompts()])
    return sum(good(text) for text in answers.dataset["answer"])


if __name__ == "__main__":
    main(ask)
