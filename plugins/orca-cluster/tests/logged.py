"""A teacher with a response log, as small as the contract allows: one request after the other, a budget in requests."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path

from orca_core import Component, Config, OutOfBudgetError, Trace, UserError, hookimpl, unkeyed
from orca_core.responses import FILE, Begun, Cap, ResponseLog, Worst, make_request, request_key


class LoggedConfig(Config):
    """Asks a server and keeps what it answers."""

    url: str = unkeyed("")
    requests: int | None = unkeyed(None)
    refuse: str = unkeyed("")
    pids: str = unkeyed("")


class Logged:
    keeps_answers = True

    def __init__(self, config, context):
        self.config, self.path, self.share = config, context.cache / FILE, context.share

    def pending(self, prompts):
        with ResponseLog(self.path) as log:
            for prompt in prompts:
                if not log.get_many([self.key(prompt)]):
                    yield prompt

    def respond(self, prompts):
        if self.config.pids:
            (Path(self.config.pids) / str(os.getpid())).touch()
        with ResponseLog(self.path) as log:
            log.recover()
            for prompt in prompts:
                yield self.answer(log, prompt)

    def key(self, prompt):
        return request_key("logged", prompt.messages, {}, prompt.sample)

    def answer(self, log, prompt):
        key, request = self.key(prompt), make_request("logged", prompt.messages, {}, prompt.sample)
        if prompt.query.text == self.config.refuse:
            return Trace(prompt, "", "logged", finish_reason="error", error="refused")
        cap = Cap(requests=None if self.config.requests is None else int(self.config.requests * self.share))
        begun = log.begin(key, request, account="default", worst=Worst(None, 10), cap=cap)
        if begun is Begun.OVER_BUDGET:
            raise OutOfBudgetError(f"the budget of {self.config.requests} requests is spent")
        if begun is Begun.SENT:
            log.finish(key, request, self.fetch(prompt))
        return Trace(prompt, log.get_many([key])[key]["text"], "logged")

    def fetch(self, prompt):
        body = json.dumps({"model": "logged", "messages": prompt.messages}).encode()
        request = urllib.request.Request(
            f"{self.config.url}/chat/completions", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                reply = json.load(response)
        except urllib.error.HTTPError as error:
            raise UserError(f"the server says {error.code}") from None
        return {"text": reply["choices"][0]["message"]["content"], "finish_reason": "stop"}


@hookimpl
def orca_teachers():
    return [Component("logged", LoggedConfig, Logged)]
