"""A plugin for whole runs of the judge: somebody who talks about anything, and a student that says what it was told."""

import hashlib
import json

from pydantic import Field

from orca_core import Component, Config, Prompt, Query, Trace, hookimpl


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
    return [Component("talker", TalkerConfig, lambda c, x: Talker(c))]


@hookimpl
def orca_students():
    return [Component("listener", ListenerConfig, lambda c, x: Listener())]
