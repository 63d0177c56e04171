"""Recorded answers in the place of a model: what lm-eval is given to evaluate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from orca_core.errors import UserError
from orca_core.records import DEAD, Prompt, Trace
from orca_lm_eval.asking import Question, as_chat, questions


class Untold:
    """Whether greedy decoding would write a continuation, of a responder that did not tell: an error if anybody asks."""

    def __init__(self, trace: Trace) -> None:
        self.task, self.model = trace.prompt.query.task, trace.model

    def __bool__(self) -> NoReturn:
        raise UserError(
            f"lm-eval task '{self.task}' scores whether a continuation is what greedy decoding would write (is_greedy), and the "
            f"answers of {self.model} do not tell (Trace.choice_greedy); ask a student of orca-lightning or teacher=transformers, "
            "or leave the task out"
        )

    __int__ = __float__ = __index__ = __bool__


class Replay:
    """Answers lm-eval's requests out of traces; to lm-eval, it is an ``lm_eval.api.model.LM``."""

    rank, world_size, tokenizer_name = 0, 1, "orca"

    def __init__(self, traces: Mapping[str, Trace], chat: bool, idle: Collection[str]) -> None:
        """``idle`` are the tasks that lm-eval tells whether a continuation is greedy, and whose scores do not depend on it."""
        self._traces, self._chat, self._idle = traces, chat, idle
        self.first: dict[tuple[str, int], str] = {}
        """The first prompt of each document, by task and number of the document."""

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        """See :func:`orca_lm_eval.asking.as_chat`."""
        return as_chat(messages, add_generation_prompt)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """The text of the answer to each request."""
        return self._answers(requests, lambda trace, request: trace.text)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, Any]]:
        """The likelihood of each continuation, and whether it is what greedy decoding would write."""
        return self._answers(requests, self._likelihood)

    def _answers(self, requests: Sequence[Any], read: Any) -> list[Any]:
        """Of each request, which comes as often as it is repeated, the answers in order."""
        answers: dict[int, list[Any]] = {}
        distinct = {id(request): request for request in requests}
        for question in questions(distinct.values(), self._chat):
            self.first.setdefault((question.task, question.doc), question.prompts[0].id)
            traces = [self._trace(prompt, question) for prompt in question.prompts]
            for request in question.requests:
                answers[id(request)] = [read(trace, request) for trace in reversed(traces)]
        return [answers[id(request)].pop() for request in requests]

    def _trace(self, prompt: Prompt, question: Question) -> Trace:
        trace = self._traces.get(prompt.id)
        if trace is None:
            raise UserError(
                f"lm-eval task '{question.task}', document {question.doc}: no answer was recorded to what it asks now, so it or "
                "its data changed since the prompts were written; keep data beside the YAML files in include_path, where changes "
                "are noticed, or choose another store"
            )
        if trace.finish_reason == DEAD and prompt.choices:
            raise UserError(
                f"lm-eval task '{question.task}', document {question.doc}: there are no likelihoods to score, as {trace.model} gave "
                f"no answer: {trace.error}"
            )
        return trace

    def _likelihood(self, trace: Trace, request: Any) -> tuple[float, Any]:
        task = request.task_name
        if trace.choice_logprobs is None:
            raise UserError(
                f"lm-eval task '{task}' needs the likelihoods of given continuations, which {trace.model} does not tell"
            )
        place = trace.prompt.choices.index(request.args[1])
        if trace.choice_greedy is None:
            return trace.choice_logprobs[place], False if task in self._idle else Untold(trace)
        return trace.choice_logprobs[place], trace.choice_greedy[place]
