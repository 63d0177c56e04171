"""Text to token ids: prompts through the chat template, and the choices that may continue them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from orca_core.errors import UserError
from orca_core.rawtext import Ids, encode_raw, encode_raw_choices
from orca_core.records import Prompt

SEPARATOR: Final = "\n\n"
"""Follows each message of a plain prompt."""


class Encoder:
    """A tokenizer with the form in which prompts are put to the model."""

    def __init__(self, tokenizer: Any, template: str) -> None:
        self.tokenizer, self.plain = tokenizer, template == "plain"

    def encode(self, prompts: Sequence[Prompt]) -> list[tuple[Ids, list[Ids]]]:
        """Token ids of each prompt, none of one that is no valid Unicode, and of its choices."""
        chats = [i for i, prompt in enumerate(prompts) if not prompt.decoding.get("raw")]
        texts = [self.text(prompts[i]) for i in chats]
        found = {i: self._raw(prompt) for i, prompt in enumerate(prompts) if prompt.decoding.get("raw")}
        for i, text, ids in zip(chats, texts, self.ids(texts), strict=True):
            found[i] = ids, self.continuations(text, ids, prompts[i].choices) if ids else []
        return [found[i] for i in range(len(prompts))]

    def _raw(self, prompt: Prompt) -> tuple[Ids, list[Ids]]:
        if not _is_unicode(prompt):
            return [], []
        text = prompt.query.text
        if prompt.choices:
            return encode_raw_choices(self.tokenizer, [(text, prompt.choices)])[0]
        return encode_raw(self.tokenizer, [text])[0], []

    def text(self, prompt: Prompt) -> str:
        """The prompt as the model reads it; empty if it is no valid Unicode, which no tokenizer takes.

        Raises:
            UserError: the template refuses such a conversation.
        """
        if not _is_unicode(prompt):
            return ""
        if self.plain:
            return "".join(message["content"] + SEPARATOR for message in prompt.messages)
        from jinja2 import TemplateError

        try:
            return str(self.tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True))
        except TemplateError as error:
            kind = "a system message" if prompt.system else "a question"
            raise UserError(
                f"the chat template refuses {kind} ({error}); choose another model, or explanations without system messages"
            ) from error

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of rendered prompts. A template writes its own beginning-of-text token; plain text gets the tokenizer's."""
        if not any(texts):
            return [[] for _ in texts]
        encoded = self.tokenizer(list(texts), add_special_tokens=self.plain)["input_ids"]
        return [ids if text else [] for text, ids in zip(texts, encoded, strict=True)]

    def continuations(self, text: str, ids: Sequence[int], choices: Sequence[str]) -> list[list[int]]:
        """The tokens of each choice behind a prompt: its share of prompt and choice tokenized as one text.

        Where the tokenizer would merge the prompt's end with the choice's beginning, the choice is tokenized by itself:
        generation starts behind the prompt's own tokens, so a merged token could never follow them.
        """
        found = []
        for choice, whole in zip(choices, self.ids([text + choice for choice in choices]), strict=True):
            joined = whole[: len(ids)] == list(ids)
            found.append(whole[len(ids) :] if joined else self.tokenizer(choice, add_special_tokens=False)["input_ids"])
        return found


def _is_unicode(prompt: Prompt) -> bool:
    try:
        "".join((*(message["content"] for message in prompt.messages), *prompt.choices)).encode()
    except UnicodeEncodeError:
        return False
    return True
