"""The fake OpenAI-compatible server in a process of its own, for benchmarks and for tests that kill their client.

::

    python -m orca_core.testing.server --latency 0.2 --fault http_error:500=0.05 --fault rate_limited:1=0.05

Prints its URL and serves until it is ended. ``GET /stats`` tells the counts, ``POST /reset`` begins them anew. What is billed
beyond the number of ``prompts`` was paid for twice.
"""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from orca_core.errors import did_you_mean
from orca_core.testing import faults
from orca_core.testing.fake import AnswerFn, FakeOpenAI, Message
from orca_core.testing.faults import Fault
from orca_core.testing.http import Request, Response
from orca_core.testing.rates import RateLimit

FAULTS: Final = (
    "context_length", "dripping", "dropped", "finished", "http_error", "huge", "hung", "malformed", "no_usage",
    "not_utf8", "rate_limited", "stalled",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    options = read_options(argv)
    limits = RateLimit(requests=options.rpm, tokens=options.tpm, burst=options.burst, settles=options.settles)
    server = FakeOpenAI(
        of_words(options.words),
        rates=dict(options.fault),
        limits=limits,
        latency=options.latency,
        key=options.key,
        seed=options.seed,
        tls=options.tls,
        port=options.port,
        remember=False,
    )
    server.routes["GET", "/stats"] = lambda request: _stats(server, request)
    server.routes["POST", "/reset"] = lambda request: _reset(server, request)
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with server:
        print(server.url, flush=True)
        signal.sigwait(ends)


def read_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m orca_core.testing.server", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that a reply takes")
    parser.add_argument("--words", type=int, default=100, help="length of an answer")
    parser.add_argument("--key", help="the only accepted bearer token")
    parser.add_argument("--rpm", type=float, help="requests per minute")
    parser.add_argument("--tpm", type=float, help="tokens per minute")
    parser.add_argument("--burst", type=float, default=60.0, help="seconds' worth of the limits that may go at once")
    parser.add_argument("--settles", action="store_true", help="tokens are settled with what was used")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--tls", type=Path, help="PEM file with key and certificate: serve HTTPS")
    parser.add_argument(
        "--fault", type=fault_share, action="append", default=[], metavar="NAME[:ARGUMENT]=SHARE",
        help="a fault of orca_core.testing.faults and how often it comes, such as dropped:0.5=0.02 or finished:\"length\"=0.01",
    )  # fmt: skip
    return parser.parse_args(argv)


def fault_share(text: str) -> tuple[Fault, float]:
    """Read ``rate_limited:0.5=0.05``."""
    call, _, share = text.partition("=")
    name, _, argument = call.partition(":")
    if name not in FAULTS:
        raise argparse.ArgumentTypeError(f"no fault {name!r}{did_you_mean(name, FAULTS)}")
    make: Any = getattr(faults, name)
    return (make(json.loads(argument)) if argument else make()), float(share)


def of_words(words: int) -> AnswerFn:
    """Answers of so many words, the question's last ones first."""
    filler = " ".join(["because"] * words)

    def answer(messages: Sequence[Message]) -> str:
        return " ".join(f"{messages[-1]['content'][-40:]} {filler}".split()[:words])

    return answer


async def _stats(server: FakeOpenAI, request: Request) -> Response:
    counts = {
        "asked": server.asked,
        "billed": server.billed,
        "prompts": len(server.billed_prompts),
        "refused": server.refused,
        "hung": server.hung,
        "in_progress": server.in_progress,
        "peak": server.peak,
    }
    return Response(json.dumps(counts).encode())


async def _reset(server: FakeOpenAI, request: Request) -> Response:
    server.reset()
    return Response(b"{}")


if __name__ == "__main__":
    main()
