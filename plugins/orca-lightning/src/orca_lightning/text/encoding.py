"""Examples as tokens: where the prompt ends and the response begins, decided once, for training and answering alike.

A prompt is encoded by itself, exactly as it will be when the student is asked; the response is encoded as its continuation
and closed by the end token. So the boundary never falls inside a token, and what is trained on is what will be generated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Literal

from orca_core.errors import UserError
from orca_core.records import Prompt, Trace
from orca_lightning.text.corpus import CorpusWriter
from orca_lightning.text.tokenizer import Tokenizer

_CHUNK = 8192  # examples encoded at a time: bounds the memory that rendered text takes


def encode_prompts(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Token ids of each prompt up to where the response begins."""
    return [context.ids for context in encode_contexts(tokenizer, prompts)]


def encode_continuations(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts that continue a prompt. A special token spelt out in a text is text."""
    backend = tokenizer.backend_tokenizer
    anchor = "\n" if _adds_prefix(tokenizer) else ""
    skip = len(backend.encode(anchor, add_special_tokens=False).ids)
    before, backend.encode_special_tokens = backend.encode_special_tokens, True
    try:
        encoded = backend.encode_batch_fast([anchor + text for text in texts], add_special_tokens=False)
    finally:
        backend.encode_special_tokens = before
    return [e.ids[skip:] for e in encoded]


@dataclass(frozen=True)
class Context:
    """A prompt as tokens."""

    ids: list[int]
    learnt: Sequence[bool] = ()
    """Which of them belong to earlier answers that a student learns to give, end tokens included; empty: none."""


def encode_contexts(tokenizer: Tokenizer, prompts: Sequence[Prompt]) -> list[Context]:
    """Each prompt as tokens; the answers of its history are encoded as they are when they are given: by themselves.

    Where the template changes what was said before as the conversation goes on (it moves the system message to the last
    question, say), those answers were never given in this form and are not learnt.
    """
    texts = _render(tokenizer, [prompt.messages for prompt in prompts])
    encoded = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [
        _conversation(tokenizer, prompt, text) if prompt.query.history else Context(e.ids)
        for prompt, text, e in zip(prompts, texts, encoded, strict=True)
    ]


def _conversation(tokenizer: Tokenizer, prompt: Prompt, text: str) -> Context:
    """A prompt with a history, ``text`` being all of it as the template renders it."""
    form, ids, learnt, at = Form.of(tokenizer), list[int](), list[bool](), 0

    def plain(part: str) -> list[int]:
        """What stands before an answer: it begins the text, or follows an end token, as which it would be encoded whole."""
        return list(tokenizer.backend_tokenizer.encode(part, add_special_tokens=False).ids)

    def add(tokens: Sequence[int], counts: bool) -> None:
        ids.extend(tokens)
        learnt.extend([counts] * len(tokens))

    first = 1 if prompt.system else 0
    for number, turn in enumerate(prompt.query.history):
        asked = prompt.messages[: first + 2 * number + 1]
        (before,) = _render(tokenizer, [asked])
        reply = form.found(turn.answer, text[len(before) :]) if text.startswith(before) else None
        if reply is None:
            break
        add(plain(text[at : len(before)]), False)
        add([*encode_continuations(tokenizer, [reply])[0], tokenizer.eos_token_id], turn.learnt)
        at = len(before) + len(reply) + len(tokenizer.eos_token)
    add(plain(text[at:]), False)
    return Context(ids, learnt)


@dataclass(frozen=True)
class Form:
    """The blanks that a template puts around an answer: ``[/INST] answer </s>`` has one on either side."""

    lead: str = ""
    trail: str = ""

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Form:
        """A tokenizer's. What else a template adds to an answer (an empty thought) is no part of it."""
        asked = {"role": "user", "content": "Q"}
        (before,) = _render(tokenizer, [[asked]])
        (whole,) = _render(tokenizer, [[asked, {"role": "assistant", "content": "answer"}]], answered=True)
        if not whole.startswith(before):
            return cls()
        lead, _, rest = whole[len(before) :].partition("answer")
        trail, end, _ = rest.partition(tokenizer.eos_token)
        return cls(lead if lead.isspace() else "", trail if end and trail.isspace() else "")

    def found(self, answer: str, text: str) -> str | None:
        """The answer as it stands at the beginning of ``text``, blanks included; None: it does not stand there."""
        for form in (answer, answer.strip()):
            if text.startswith(whole := self.lead + form + self.trail):
                return whole
        return None

    def bare(self, text: str) -> str:
        """A generated text without the template's blanks."""
        return text.removeprefix(self.lead).removesuffix(self.trail)


def _render(tokenizer: Tokenizer, conversations: Sequence[list[dict[str, str]]], answered: bool = False) -> list[str]:
    """Conversations as the template writes them: up to where the next answer begins, or ``answered``.

    Raises:
        UserError: the template refuses one.
    """
    from jinja2 import TemplateError

    try:
        texts: list[str] = tokenizer.apply_chat_template(
            list(conversations), tokenize=False, add_generation_prompt=not answered
        )
    except TemplateError as error:
        raise UserError(
            f"the base's chat template refuses a conversation ({error}); choose student.template=plain, or another of ours"
        ) from error
    return texts


def _adds_prefix(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer puts a space before every text (as SentencePiece models do), which a continuation must not get."""

    def ids(text: str) -> list[int]:
        return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    return ids("\na")[len(ids("\n")) :] != ids("a")


def checked(examples: Iterable[Trace]) -> Iterator[Trace]:
    """The examples themselves.

    Raises:
        UserError: there are none, or one has an empty response.
    """
    example = None
    for example in examples:
        if not example.text.strip():
            raise UserError(f"example {example.prompt.id} (task '{example.prompt.query.task}') has an empty response")
        yield example
    if example is None:
        raise UserError("there are no examples to train on; see what the selector dropped and why")


def encode_examples(
    examples: Iterable[Trace],
    tokenizer: Tokenizer,
    path: Path,
    *,
    max_length: int,
    over_long: Literal["truncate", "drop"] = "truncate",
) -> None:
    """Write every example as prompt, response and end token: a directory of :class:`orca_lightning.text.corpus.Corpus`.

    An example of more than ``max_length`` tokens loses the beginning of its prompt (all but one token at the most) or is
    dropped; one whose response alone is too long is dropped: an answer is never cut. Examples are encoded a chunk at a time,
    on all cores; memory does not grow with their number, but for two numbers each.

    Raises:
        UserError: there are no examples, one has an empty response, or none is short enough.
    """
    writer, form = CorpusWriter(path, len(tokenizer)), Form.of(tokenizer)
    source, numbers, truncated, dropped = checked(examples), count(), 0, 0
    while chunk := list(islice(source, _CHUNK)):
        contexts = encode_contexts(tokenizer, [example.prompt for example in chunk])
        responses = encode_continuations(tokenizer, [form.lead + example.text + form.trail for example in chunk])
        for context, response, number in zip(contexts, responses, numbers, strict=False):
            excess = len(context.ids) + len(response) + 1 - max_length
            if excess > 0 and (over_long == "drop" or excess >= len(context.ids)):
                dropped += 1
                continue
            truncated += excess > 0
            context = _without_beginning(context, max(excess, 0))
            writer.add(context.ids, [*response, tokenizer.eos_token_id], context.learnt, source=number)
    if not writer.lengths:
        raise UserError(f"all {dropped} examples are longer than student.max_length={max_length} tokens")
    writer.close(truncated=truncated, dropped=dropped)


def _without_beginning(context: Context, excess: int) -> Context:
    """A context without its first tokens; an answer that the text now begins with is no longer learnt."""
    learnt = list(context.learnt[excess:])
    if learnt[:1] == [True]:
        rest = learnt.index(False) if False in learnt else len(learnt)
        learnt[:rest] = [False] * rest
    return Context(context.ids[excess:], learnt)
