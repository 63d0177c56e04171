"""How much of a rate limit is used, how often it is hit, and what stray 429s cost, by the server's own count.

::

    python benchmarks/limits.py --json limits.json       # three minutes; 600 requests and 200,000 tokens a minute

Each case is a server of its own with the limit as OpenAI keeps it (a bucket that refills all the time, told in headers) and
a teacher that knows nothing of it. The cases run side by side; what is counted begins after ``WARM_S`` seconds, when the
limit is known.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orca_litellm
from rich.console import Console
from rich.table import Table

from orca_core import Prompt, Query
from orca_core.testing import FakeOpenAI, RateLimit, build, faults, make_context
from orca_core.testing.faults import Answer

WARM_S: Final = 15.0
PROMPT: Final = "Why is the sky blue? " * 19
"""About 100 tokens as the server estimates them."""


@dataclass(frozen=True)
class Case:
    """One server and what it limits."""

    name: str
    rpm: float
    tpm: float
    burst: float
    words: tuple[int, int]
    """Tokens of an answer, drawn between these."""


CASES: Final = (
    Case("requests bind, bursts of a second", 600, 200_000, 1, (50, 250)),
    Case("requests bind, bursts of a minute", 600, 200_000, 60, (50, 250)),
    Case("tokens bind, bursts of a second", 600, 200_000, 1, (200, 800)),
    Case("tokens bind, bursts of a minute", 600, 200_000, 60, (200, 800)),
)


@dataclass(frozen=True)
class Used:
    """What a case gave."""

    case: str
    requests: int
    share_429: float
    requests_used: float
    """Of the requests that the limit allowed in the time."""
    tokens_used: float


def prompts(stop: threading.Event) -> Iterator[Prompt]:
    for number in itertools.count():
        if stop.is_set():
            return
        yield Prompt(Query(f"{number} {PROMPT}", task="t"))


def use(case: Case, seconds: float) -> Used:
    """Ask for so long and count what the server counted after the warm-up."""
    draw, spent = random.Random(0), [0]

    def answer(messages: object) -> Answer:
        completion = draw.randint(*case.words)
        spent[0] += 100 + completion
        return Answer("word " * 20, prompt_tokens=100, completion_tokens=completion)

    limits = RateLimit(requests=case.rpm, tokens=case.tpm, burst=case.burst, settles=True)
    stop = threading.Event()
    with (
        tempfile.TemporaryDirectory() as cache,
        FakeOpenAI(answer, limits=limits, latency=1.0, remember=False) as server,
    ):
        teacher = build(
            orca_litellm.LITELLM, make_context(Path(cache)), model="openai/fake", api_base=server.url, workers=64
        )
        asked = threading.Thread(target=lambda: [None for _ in teacher.respond(prompts(stop))])
        asked.start()
        time.sleep(WARM_S)
        before = (server.asked, server.refused, server.billed, spent[0])
        time.sleep(seconds)
        after = (server.asked, server.refused, server.billed, spent[0])
        stop.set()
        asked.join()
    requests, refused, billed, tokens = (b - a for a, b in zip(before, after, strict=True))
    minutes = seconds / 60
    return Used(
        case.name, requests, refused / max(1, requests), billed / case.rpm / minutes, tokens / case.tpm / minutes
    )


def rate(rates: dict[faults.Fault, float], n: int) -> float:
    """Rows a second for n prompts at 200 ms and 100 at once, between the first and the last tenth of them."""
    with tempfile.TemporaryDirectory() as cache, FakeOpenAI(rates=rates, latency=0.2, remember=False) as server:
        teacher = build(
            orca_litellm.LITELLM, make_context(Path(cache)), model="openai/fake", api_base=server.url, workers=100
        )
        at = [time.monotonic() for _ in teacher.respond(Prompt(Query(f"{i}", task="t")) for i in range(n))]
        assert len(at) == n
        return 0.8 * n / (at[int(0.9 * n)] - at[int(0.1 * n)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="counted, after the warm-up")
    parser.add_argument("--n", type=int, default=10_000, help="prompts of each run with and without stray 429s")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    with ThreadPoolExecutor(len(CASES)) as pool:
        used = list(pool.map(lambda case: use(case, options.seconds), CASES))
    table = Table("case", "requests", "429s", "requests/min used", "tokens/min used", title="a limit that is learnt")
    for row in used:
        table.add_row(
            row.case,
            f"{row.requests:,}",
            f"{row.share_429:.2%}",
            f"{row.requests_used:.1%}",
            f"{row.tokens_used:.1%}",
        )
    Console().print(table)
    plain, stray = rate({}, options.n), rate({faults.rate_limited(1.0): 0.05}, options.n)
    print(f"{plain:.0f} rows/s; with 5 % stray 429s {stray:.0f} rows/s, {stray / plain:.1%} of it")
    if options.json:
        figures = {"limits": [asdict(row) for row in used], "rows_per_s": plain, "rows_per_s_with_stray_429s": stray}
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
