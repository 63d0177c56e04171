"""What every runner shares: its arguments, the prompts, its report. Standard library only: it runs in each client's own environment.

A runner is one script: it imports its client, then calls :func:`main` with a function that asks all prompts and returns how
many answers of the expected length it holds. Seconds are counted from there: imports are behind it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "gpt-3.5-turbo"
"""The teacher of the paper's five million; in every client's price list, and its vocabulary comes with litellm."""
KEY = "sk-loopback"
SYSTEM = "You are a helpful assistant who thinks step by step and justifies every step of the answer."
STORY = (
    "A baker sells {a} loaves on Monday and {b} on Tuesday, gives away {c} on Wednesday and bakes as many again on "
    "Thursday as on the first two days together. How many loaves left the shop by Thursday evening? (question {i})"
)


@dataclass(frozen=True)
class Task:
    """What a client is to do."""

    url: str
    n: int
    workers: int
    """Requests in flight at once."""
    report: Path

    def prompts(self) -> Iterator[tuple[str, str]]:
        """System message and question, about 300 characters together, no two alike."""
        for i in range(self.n):
            yield SYSTEM, STORY.format(a=i % 89 + 11, b=i % 71 + 5, c=i % 13 + 1, i=i)

    def messages(self) -> Iterator[list[dict[str, str]]]:
        """The same in the OpenAI form."""
        for system, question in self.prompts():
            yield [{"role": "system", "content": system}, {"role": "user", "content": question}]


def good(text: str | None) -> bool:
    """Whether this is an answer of the server, which are all about 1 KB long."""
    return text is not None and len(text) >= 900


def main(ask: Callable[[Task], int | dict[str, Any]]) -> None:
    """Run the client; leave the number of its good rows (or a whole report with ``rows``) and its seconds behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--report", type=Path, required=True)
    task = Task(**vars(parser.parse_args()))
    start = time.perf_counter()
    result = ask(task)
    report = result if isinstance(result, dict) else {"rows": result}
    task.report.write_text(json.dumps({"loop_s": time.perf_counter() - start, **report}))
