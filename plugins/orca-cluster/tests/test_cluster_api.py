"""The teacher behind an API, asked by several workers at once: limits and money are shared."""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from cluster_project import LOGGED_RUN, meanwhile, workers_on_ray

from orca_core import OutOfBudgetError
from orca_core.responses import FILE, ResponseLog
from orca_core.tables import read_rows
from orca_core.testing import FakeOpenAI, RateLimit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (find_spec("litellm") and find_spec("ray")), reason="needs litellm and ray"),
]
RUN = (
    *(option for option in LOGGED_RUN if not option.startswith("teacher")),
    "teacher=openai-compatible",
    "teacher.model=openai/toy",
    "sampler.n=300",
    "executor=ray",
)
PROMPT_WORDS, ANSWER_WORDS = 3, 5
"""Of ``7 + 7`` and of the echo of it: the fake server's tokens."""


def test_two_workers_keep_one_limit_together(run, tmp_path):
    with FakeOpenAI(limits=RateLimit(requests=600, burst=2.0), latency=0.1) as server:
        run(*RUN, f"teacher.api_base={server.url}", "teacher.requests_per_minute=600")
        rows = list(read_rows(sorted(tmp_path.glob("store/ask/*/traces-*.parquet"))))
        assert len(rows) == server.billed == len(server.billed_prompts)
        assert server.refused <= 0.02 * server.asked


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds workers in /proc")
def test_kill_9_of_a_worker_costs_what_was_in_flight_and_the_log_says_so(run, tmp_path):
    with FakeOpenAI(latency=0.7) as server:
        # the first answers are in the log when the second ones are out
        with meanwhile(lambda: server.billed >= 30, lambda: os.kill(workers_on_ray()[0], signal.SIGKILL)):
            run(*RUN, f"teacher.api_base={server.url}", "teacher.workers=16")
        with ResponseLog(tmp_path / "store/cache" / FILE) as log:
            assert len(log) == len(server.billed_prompts)
            maybe = log.maybe_billed().count
            assert server.billed - len(log) <= maybe <= 8, (
                "what was in flight there was paid twice at most, and is known"
            )
            assert log.spent("default").requests == len(log) + maybe


def test_a_budget_in_dollars_is_never_passed_by_the_servers_count(run, tmp_path):
    price = ("teacher.price.prompt=1000", "teacher.price.completion=10000", "teacher.max_tokens=8")
    cost = (PROMPT_WORDS * 1000 + ANSWER_WORDS * 10000) / 1e6
    with FakeOpenAI(latency=0.01) as server:
        ask = (*RUN, f"teacher.api_base={server.url}", *price, "executor.workers=3")
        with pytest.raises(OutOfBudgetError, match="left to do"):
            run(*ask, "teacher.budget.usd=1")
        assert 0.8 < server.billed * cost <= 1.0
        with ResponseLog(tmp_path / "store/cache" / FILE) as log:
            assert log.spent("default").usd == pytest.approx(server.billed * cost)
        run(*ask)
        assert set(server.billed_prompts.values()) == {1}
