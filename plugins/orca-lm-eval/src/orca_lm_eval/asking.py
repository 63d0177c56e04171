"""lm-eval's requests as prompts: which requests one prompt asks for, and what it demands of the responder.

Two documents that read the same are two prompts, told apart by ``Prompt.sample``, as are the repeats of a document: every
answer that lm-eval would draw is an answer of its own here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

from orca_core.errors import UserError
from orca_core.records import Decoding, Prompt, Query

COLLECTION: Final = "lm-eval"
MAX_TOKENS: Final = 256
"""Of an answer, where a task does not say: lm-eval's default of ``max_gen_toks``."""
SAMPLING: Final = ("top_p", "top_k", "min_p", "typical_p")
"""What matters only where tokens are drawn."""
Target = Callable[[Any], str | None]
"""The gold answer to a request, for whoever looks at the prompts."""


@dataclass(frozen=True)
class Question:
    """What one prompt asks for."""

    prompts: Sequence[Prompt]
    """One for each repeat."""
    requests: Sequence[Any]
    """The ``lm_eval.api.instance.Instance``s that an answer serves."""
    task: str
    doc: int


def questions(requests: Iterable[Any], chat: bool, target: Target = lambda request: None) -> Iterator[Question]:
    """Group requests, each given once, into questions; a document's likelihoods behind one context are one of them.

    Raises:
        UserError: a request that no prompt can ask.
    """
    asked: Counter[str] = Counter()
    for (task, doc), own in groupby(requests, key=lambda request: (request.task_name, request.doc_id)):
        for group in _groups(own):
            prompt = _prompt(group, chat, target(group[0]))
            repeats = group[0].repeats or 1
            first = asked[prompt.id]
            asked[prompt.id] += repeats
            prompts = [replace(prompt, sample=sample) for sample in range(first, first + repeats)]
            yield Question(prompts, group, task, doc)


def _groups(requests: Iterable[Any]) -> Iterator[Sequence[Any]]:
    """The requests of one document, those for likelihoods together if they have a context in common."""
    contexts: dict[str, list[Any]] = {}
    for request in requests:
        if request.request_type == "loglikelihood":
            contexts.setdefault(request.args[0], []).append(request)
        elif request.request_type == "generate_until":
            yield [request]
        else:
            raise UserError(
                f"lm-eval task '{request.task_name}' asks for {request.request_type}, which no prompt can ask"
            )
    yield from contexts.values()


def continuations(requests: Sequence[Any]) -> tuple[str, ...]:
    """The distinct continuations that a question's requests want rated; none: an answer is generated."""
    return tuple(dict.fromkeys(request.args[1] for request in requests if request.request_type == "loglikelihood"))


def _prompt(requests: Sequence[Any], chat: bool, target: str | None) -> Prompt:
    request, choices = requests[0], continuations(requests)
    system, text = _from_chat(request) if chat else ("", request.args[0])
    decoding = Decoding() if choices else _decoding(request.task_name, request.args[1])
    if not chat:
        decoding["raw"] = True
    query = Query(text, request.task_name, COLLECTION, target, choices, {"doc_id": request.doc_id})
    return Prompt(query, system, choices, decoding=decoding)


def as_chat(messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
    """The chat template that is given to lm-eval: the messages themselves, so that the responder's own is applied."""
    return json.dumps(list(messages), ensure_ascii=False)


def _from_chat(request: Any) -> tuple[str, str]:
    """System message and question."""
    messages = {message["role"]: message["content"] for message in json.loads(request.args[0] or "[]")}
    if "user" not in messages:
        raise UserError(
            f"lm-eval task '{request.task_name}' has requests without a question, which no chat can ask; set chat=false"
        )
    if "assistant" in messages:
        raise UserError(
            f"lm-eval task '{request.task_name}' begins the answer itself ('{messages['assistant']}', its gen_prefix), which no "
            "chat can ask; set evaluator.lm-eval.chat=false, or leave it out"
        )
    return messages.get("system", ""), messages["user"]


def _decoding(task: str, wishes: Mapping[str, Any]) -> Decoding:
    """A task's generation_kwargs as ``Prompt.decoding``."""
    from lm_eval.models.utils import normalize_gen_kwargs

    left = dict(normalize_gen_kwargs(dict(wishes), MAX_TOKENS))
    stop = [text for text in left.pop("until") if text]
    max_tokens, temperature = left.pop("max_gen_toks"), float(left.pop("temperature", 0.0))
    if not left.pop("do_sample"):
        temperature = 0.0
    ignored = {"top_p": 1.0, "num_beams": 1} if temperature else dict.fromkeys(SAMPLING, None) | {"num_beams": 1}
    for key, value in left.items():
        if key not in ignored or ignored[key] not in (None, value):
            raise UserError(
                f"lm-eval task '{task}' wants {key}={value} of its answers (generation_kwargs), which responders do not take; they "
                "take max_gen_toks, until, temperature and do_sample. Override it by evaluator.lm-eval.gen_kwargs, if it may be"
            )
    return {"max_tokens": max_tokens, "stop": stop, "temperature": temperature}
