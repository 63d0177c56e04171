"""A plugin as small as a whole run allows: sums, a teacher that adds, a student that remembers."""

import json
import os
import random
import time
from pathlib import Path

from pydantic import Field

from orca_core import Component, Config, Prompt, Query, Trace, hookimpl, unkeyed
from orca_core.stats import proportion_score


class SumsConfig(Config):
    """Sums of two digits."""

    n: int = Field(20, ge=1)


class Sums:
    def __init__(self, config, context):
        self.n, self.seed = config.n, context.seed

    def sample(self):
        draw = random.Random(self.seed)
        for _ in range(self.n):
            a, b = draw.randrange(10), draw.randrange(10)
            yield Prompt(Query(f"{a} + {b}", "sums", target=str(a + b)))


class AdderConfig(Config):
    """Adds, and explains."""

    temperature: float = Field(0.0, ge=0, le=2)
    skill: int = 10
    workers: int = unkeyed(1, ge=1)
    delay: float = unkeyed(0.0)


class Adder:
    def __init__(self, config):
        self.config = config

    def respond(self, prompts):
        for prompt in prompts:
            time.sleep(self.config.delay)
            with Path(os.environ.get("TOY_ASKED", os.devnull)).open("a") as log:
                log.write(prompt.query.text + "\n")
            a, b = map(int, prompt.query.text.split(" + "))
            yield Trace(
                prompt, f"{a} and {b} make {a + b}", "adder", cost_usd=0.01, prompt_tokens=3, completion_tokens=5
            )


class MemoryConfig(Config):
    """Remembers every answer it was shown."""

    learning_rate: float = Field(1.0, gt=0)
    nested: dict[str, int] = Field({})
    delay: float = unkeyed(0.0)


class Memory:
    def __init__(self, config):
        self.config = config

    def fit(self, examples, *, epochs, init, out):
        time.sleep(self.config.delay)
        known = json.loads((init / "memory.json").read_text()) if init else {}
        if epochs:
            known |= {trace.prompt.query.text: trace.text for trace in examples}
        (out / "metrics.jsonl").write_text(
            "".join(json.dumps({"step": i, "loss": 1 / i}) + "\n" for i in range(1, epochs + 1))
        )
        (out / "checkpoint").mkdir(exist_ok=True)
        (out / "checkpoint/memory.json").write_text(json.dumps(known, sort_keys=True))

    def load(self, checkpoint):
        return Recall(json.loads((checkpoint / "memory.json").read_text()), self.config)


class Recall:
    def __init__(self, known, config):
        self.known, self.config = known, config

    def respond(self, prompts):
        for prompt in prompts:
            time.sleep(self.config.delay)
            text = self.known.get(prompt.query.text, "?")
            yield Trace(prompt, text, "memory", decoding=self.config.nested)


class AllSumsConfig(Config):
    """Every sum of two digits below ten, by the last number of the answer."""


class AllSums:
    def prompts(self):
        for a in range(10):
            for b in range(0, 10, 3):
                yield Prompt(Query(f"{a} + {b}", "low" if a < 5 else "high", target=str(a + b)))

    def score(self, traces):
        tasks = {}
        for trace in traces:
            tasks.setdefault(trace.prompt.query.task, {})[trace.prompt.id] = (
                trace.text.split()[-1] == trace.prompt.query.target
            )
        for task, outcomes in tasks.items():
            yield proportion_score(task, outcomes, chance=1 / 19, format_ok=1.0)


@hookimpl
def orca_samplers():
    return [Component("sums", SumsConfig, Sums)]


@hookimpl
def orca_teachers():
    return [
        Component("adder", AdderConfig, lambda c, x: Adder(c)),
        Component("adder-brief", AdderConfig, lambda c, x: Adder(c)),
    ]


@hookimpl
def orca_students():
    return [Component("memory", MemoryConfig, lambda c, x: Memory(c))]


@hookimpl
def orca_evaluators():
    return [Component("all-sums", AllSumsConfig, lambda c, x: AllSums())]
