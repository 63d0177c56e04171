"""The server's process: ``python -m orca_smollm2.serve WEIGHTS SLOTS THREADS``.

Says its URL on the first line of its output, answers until its input ends, and is gone then: the parent holds the other end.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

from orca_smollm2.server import MODEL

CONTEXT: Final = 4096
"""Tokens of prompt and answer together, of each slot; the model knows 8,192."""


def start(weights: str, slots: int, threads: int) -> Any:
    """Load the model and listen on a free port of the loopback interface."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.model_alias = weights, {MODEL}
    settings.n_parallel, settings.n_ctx = slots, slots * CONTEXT
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.warmup, settings.verbosity = False, 0
    for cpu in (settings.cpuparams, settings.cpuparams_batch):
        cpu.n_threads = threads
        cpu.poll = 0  # threads that wait actively are a hundred times slower on cores that others use too
    return xllamacpp.Server(settings)


def main() -> None:
    """Serve until standard input ends."""
    weights, slots, threads = sys.argv[1:]
    server = start(weights, int(slots), int(threads))
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # the library's own end waits for answers that nobody wants any more


if __name__ == "__main__":
    main()
