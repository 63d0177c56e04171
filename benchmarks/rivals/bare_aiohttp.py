"""The floor: workers around one aiohttp session that read each reply and keep nothing, retry nothing, write nothing."""

from __future__ import annotations

import asyncio

import aiohttp
from common import KEY, MODEL, Task, good, main


def ask(task: Task) -> int:
    return asyncio.run(loop(task))


async def loop(task: Task) -> int:
    messages, rows = task.messages(), 0
    connector = aiohttp.TCPConnector(limit=task.workers)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {KEY}"}) as session:

        async def worker() -> None:
            nonlocal rows
            for message in messages:
                body = {"model": MODEL, "messages": message}
                async with session.post(f"{task.url}/chat/completions", json=body) as response:
                    reply = await response.json()
                rows += good(reply["choices"][0]["message"]["content"])

        async with asyncio.TaskGroup() as group:
            for _ in range(task.workers):
                group.create_task(worker())
    return rows


if __name__ == "__main__":
    main(ask)
