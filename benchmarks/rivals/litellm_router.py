"""litellm's Router with retries, gathered behind a semaphore as its users write it; writes nothing."""

from __future__ import annotations

import asyncio

from common import KEY, MODEL, Task, good, main
from litellm import Router


def ask(task: Task) -> int:
    return asyncio.run(gather(task))


async def gather(task: Task) -> int:
    deployment = {"model": f"openai/{MODEL}", "api_base": task.url, "api_key": KEY}
    router = Router(model_list=[{"model_name": MODEL, "litellm_params": deployment}], num_retries=3)
    slots = asyncio.Semaphore(task.workers)

    async def one(messages: list[dict[str, str]]) -> bool:
        async with slots:
            response = await router.acompletion(model=MODEL, messages=messages)
        return good(response.choices[0].message.content)

    return sum(await asyncio.gather(*(one(messages) for messages in task.messages())))


if __name__ == "__main__":
    main(ask)
