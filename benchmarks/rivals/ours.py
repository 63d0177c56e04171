"""orca-litellm's teacher as a run uses it: prompts from a generator, every reply in the response log on disk before it counts.

What litellm says about the model comes from a child process once in the life of a store; so that it is no part of each run, that
answer (and nothing else) outlives them here. The runner also tells its memory and open descriptors along the way, for the soak.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orca_litellm.teacher  # noqa: F401 what the first prompt would load: imports are not what is measured
from common import MODEL, Task, good, main
from orca_litellm import LITELLM

from orca_core import Prompt, Query
from orca_core.testing import build, make_context

SAMPLES = 100
PAGE = os.sysconf("SC_PAGE_SIZE")
FACTS = Path(os.environ["ORCA_BENCHMARK_KEEP"], "litellm-facts")


def ask(task: Task) -> dict[str, Any]:
    FACTS.mkdir(parents=True, exist_ok=True)
    Path(FACTS.name).symlink_to(FACTS)
    teacher = build(LITELLM, make_context(Path.cwd()), model=f"openai/{MODEL}", api_base=task.url, workers=task.workers)
    prompts = (Prompt(Query(text=question, task="bakery"), system=system) for system, question in task.prompts())
    seen, rows, every = [memory(0)], 0, max(1, task.n // SAMPLES)
    for number, trace in enumerate(teacher.respond(prompts), start=1):
        rows += good(trace.text)
        if number % every == 0:
            seen.append(memory(number))
    seen.append(memory(task.n))
    return {"rows": rows, "memory": seen}


def memory(rows: int) -> dict[str, float]:
    """Resident MB and open descriptors after so many rows."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    return {"rows": rows, "rss_mb": round(resident / 1e6, 1), "descriptors": len(list(Path("/proc/self/fd").iterdir()))}


if __name__ == "__main__":
    main(ask)
