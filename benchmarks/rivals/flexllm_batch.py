"""flexllm's chat_batch with its JSONL checkpoint, as its documentation shows it; its limit of requests a second is out of the way."""

from __future__ import annotations

import asyncio

from common import KEY, MODEL, Task, good, main
from flexllm import LLMClient


def ask(task: Task) -> int:
    return asyncio.run(batch(task))


async def batch(task: Task) -> int:
    async with LLMClient(
        base_url=task.url, api_key=KEY, model=MODEL, concurrency_limit=task.workers, max_qps=100_000
    ) as client:
        results = await client.chat_batch(list(task.messages()), output_jsonl="results.jsonl", show_progress=False)
    return sum(good(result.content) for result in results)


if __name__ == "__main__":
    main(ask)
