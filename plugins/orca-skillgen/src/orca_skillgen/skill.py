"""A skill: one readable page of advice (SKILL.md), with the condition under which it is given.

::

    ---
    name: long-sums
    description: How to add long numbers
    when: digits >= 4
    ---

    ## When it applies
    ...
    ## What works
    ...
    ## What fails
    ...

Exactly three sections, as SkillGen has them (contextual abstract, successful experiences, failure lessons). ``when`` is ours: it
is the router (:mod:`orca_skillgen.conditions`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from orca_core import Prompt
from orca_skillgen.conditions import Condition, parse

SECTIONS: Final = ("When it applies", "What works", "What fails")
KEYS: Final = ("name", "description", "when")
WORD_LIMIT: Final = 600
"""SkillGen asks for 300 to 600 words; a short skill is none the worse for it, a long one is paid for with every prompt."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_FENCE: Final = re.compile(r"\s*```\w*\n(.*)\n```\s*", re.S)


class MalformedError(ValueError):
    """A reply that is not what was asked for; the message says why, in words for its writer."""


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill that was read from its page."""

    name: str
    description: str
    when: Condition
    body: str
    """The three sections."""

    def dress(self, prompt: Prompt) -> Prompt:
        """The prompt with the skill after its own system message, or as it is where the skill does not apply.

        A raw text that is to be continued has no place for a system message.
        """
        if prompt.decoding.get("raw") or not self.when(prompt.query.text):
            return prompt
        return replace(prompt, system="\n\n".join(filter(None, (prompt.system, self.body))))

    @property
    def markdown(self) -> str:
        """The page."""
        return f"---\nname: {self.name}\ndescription: {self.description}\nwhen: {self.when}\n---\n\n{self.body}\n"


def unfenced(text: str) -> str:
    """A reply without the code fence that models like to put around it."""
    match = _FENCE.fullmatch(text)
    return match[1] if match else text


def read(text: str) -> Skill:
    """Read a skill's page.

    Raises:
        MalformedError: it is none.
    """
    match = re.fullmatch(r"\s*---\n(.*?)\n---\s*\n(.*)", unfenced(text), re.S)
    if match is None:
        raise MalformedError("the page does not begin with front matter between two lines of ---")
    head, body = _head(match[1]), match[2].strip()
    _check_sections(body)
    if (count := len(body.split())) > WORD_LIMIT:
        raise MalformedError(f"the body has {count} words; at most {WORD_LIMIT}")
    if not _NAME.fullmatch(head["name"]):
        raise MalformedError(f"name: {head['name'][:80]!r} is not small letters, digits and hyphens, at most 64")
    try:
        when = parse(head["when"])
    except ValueError as error:
        raise MalformedError(f"when: {error}") from None
    return Skill(head["name"], head["description"], when, body)


def _head(text: str) -> dict[str, str]:
    pairs = [line.partition(":") for line in text.splitlines() if line.strip()]
    keys = [key.strip() for key, _, _ in pairs]
    if sorted(keys) != sorted(KEYS):
        raise MalformedError(f"the front matter has {', '.join(keys) or 'nothing'}; it must have {', '.join(KEYS)}")
    values = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
    if empty := [key for key, value in values.items() if not value]:
        raise MalformedError(f"{empty[0]}: is empty")
    return values


def _check_sections(body: str) -> None:
    before, *parts = re.split(r"^##[ \t]+(.+?)[ \t]*$", body, flags=re.M)
    titles, texts = parts[::2], parts[1::2]
    if tuple(titles) != SECTIONS or before.strip():
        raise MalformedError(f"the sections are {titles}; they must be '## ' {list(SECTIONS)} and nothing before them")
    if empty := [title for title, text in zip(titles, texts, strict=True) if not text.strip()]:
        raise MalformedError(f"the section '{empty[0]}' is empty")
