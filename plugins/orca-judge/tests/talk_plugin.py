"""A plugin for whole runs of the judge: somebody who talks about anything, and a student that says what it was told."""

import hashlib
import json
import re

from pydantic import Field

from orca_core import Component, Config, Estimate, Prompt, Query, Trace, hookimpl


class TopicsConfig(Config):
    """Things to talk about."""


class Topics:
    def sample(self):
        return (Prompt(Query(f"Tell me of {n}.", "topics")) for n in range(4))


class TalkerConfig(Config):
    """Talks about anything, at a length that depends on the question."""

    words: int = Field(20, ge=1, description="most words")


class Talker:
    def __init__(self, config):
        self.words = config.words

    def respond(self, prompts):
        for prompt in prompts:
            number = int(hashlib.sha256(prompt.query.text.encode()).hexdigest(), 16)
            yield Trace(prompt, "Well, " + " ".join(["so"] * (1 + number % self.words)) + ".", "talker", cost_usd=0.01)


class RefereeConfig(Config):
    """Judges by length, and everything else that its form asks for by the answers' order."""

    temperature: float = Field(0.0, ge=0, le=2, description="of no use")


class Referee:
    def respond(self, prompts):
        for prompt in prompts:
            shown = re.findall(r"Start of[^\]]*\]\n(.*?)\n+\[The End", prompt.query.text, re.DOTALL)
            first = len(shown[0]) >= len(shown[1])
            reply = "8 7" if first else "7 8"
            if "[User Question]" in prompt.query.text:
                reply = "[[A]]" if first else "[[B]]"
            yield Trace(prompt, reply, "referee", prompt_tokens=100, completion_tokens=5, cost_usd=0.5)

    def estimate(self, prompts):
        count = sum(1 for _ in prompts)
        return Estimate(count, 100 * count, 5 * count, 0.5 * count, hours=0.1)


class ListenerConfig(Config):
    """Says the longest thing that it was told."""


class Listener:
    def fit(self, examples, *, epochs, init, out):
        (out / "checkpoint").mkdir(exist_ok=True)
        told = max((trace.text for trace in examples), key=len) if epochs else "?"
        (out / "checkpoint/config.json").write_text(json.dumps(told))

    def load(self, checkpoint):
        return Said(json.loads((checkpoint / "config.json").read_text()))


class Said:
    def __init__(self, text):
        self.text = text

    def respond(self, prompts):
        return (Trace(prompt, self.text, "listener") for prompt in prompts)


@hookimpl
def orca_samplers():
    return [Component("topics", TopicsConfig, lambda c, x: Topics())]


@hookimpl
def orca_teachers():
    return [
        Component("talker", TalkerConfig, lambda c, x: Talker(c)),
        Component("referee", RefereeConfig, lambda c, x: Referee()),
    ]


@hookimpl
def orca_students():
    return [Component("listener", ListenerConfig, lambda c, x: Listener())]
