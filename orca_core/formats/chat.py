"""Conversations: ShareGPT (SlimOrca), and chat messages in the OpenAI form, whole or as prompt and completion.

ShareGPT, ``{"conversations": [{"from": "system|human|gpt", "value": ...}]}``, as LLaMA-Factory documents it
(https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md#sharegpt-format); SlimOrca adds a ``weight`` to every turn
(https://huggingface.co/datasets/Open-Orca/SlimOrca).

Messages, ``{"messages": [{"role": "system|user|assistant", "content": ...}]}``: TRL's conversational language modelling
(https://huggingface.co/docs/trl/dataset_formats), axolotl's ``chat_template``
(https://docs.axolotl.ai/docs/dataset-formats/conversation.html), LLaMA-Factory's "OpenAI format", and OpenAI's own fine-tuning
(https://platform.openai.com/docs/guides/supervised-fine-tuning), which refuses other keys.

Prompt and completion, ``{"prompt": [...], "completion": [...]}`` with messages inside: TRL's other form, of which it trains on
the completion alone, as the paper does, whatever the chat template.

An empty system message is left out of all three. In a conversation of several turns the last question and its answer are what is
asked and answered, those before are its history. Answers of weight 0 are not learnt, nor those inside a ``prompt``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from orca_core.errors import did_you_mean
from orca_core.formats.base import PLAIN, Format, Row, exchange, kind, text
from orca_core.records import Trace

_ROLES: Final = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
}
"""Whose turn it is, by the names in use."""
_SHAREGPT: Final = {"role": "from", "content": "value", "system": "system", "user": "human", "assistant": "gpt"}
_MESSAGES: Final = {"role": "role", "content": "content", "system": "system", "user": "user", "assistant": "assistant"}
"""What each format calls the parts of a turn and the three roles."""


def _read(row: Row, column: str) -> Row:
    return _exchange(row, column, [_turn(turn, column) for turn in _turns(row, column)])


def _exchange(row: Row, column: str, turns: Sequence[tuple[str, str, bool]]) -> Row:
    system = turns[0][1] if turns and turns[0][0] == "system" else ""
    said = turns[1:] if turns and turns[0][0] == "system" else turns
    if not said or any(role != ("user", "assistant")[i % 2] for i, (role, _, _) in enumerate(said)):
        roles = [role for role, _, _ in turns]
        shown = ", ".join(roles[:6]) + (", ..." if len(roles) > 6 else "")
        raise ValueError(
            f"column '{column}' has {len(roles)} turns ({shown}); wanted are questions (user) and answers (assistant) in "
            "turn, with or without a system message before them"
        )
    last = (len(said) - 1) // 2 * 2
    history = [[said[i][1], said[i + 1][1], said[i + 1][2]] for i in range(0, last, 2)]
    answer = [content for _, content, learnt in said[last + 1 :] if learnt]
    read = exchange(row, system, said[last][1], answer[0] if answer else None)
    return {**read, "history": history} if history else read


def _turns(row: Row, column: str) -> Sequence[Any]:
    turns = row[column]
    if isinstance(turns, str):
        # a table without lists, such as CSV, holds them as JSON
        try:
            turns = json.loads(turns)
        except json.JSONDecodeError as error:
            raise ValueError(f"column '{column}' is no list of turns: {error.msg} at character {error.pos}") from None
    if not isinstance(turns, list):
        raise TypeError(f"column '{column}' must be a list of turns, not {kind(turns)}")
    return turns


def _turn(turn: Any, column: str) -> tuple[str, str, bool]:
    """Whose turn it is, what they say, and whether a student learns it."""
    if not isinstance(turn, dict):
        raise TypeError(f"column '{column}': each turn must be an object, not {kind(turn)}")
    names = _SHAREGPT if "from" in turn or "value" in turn else _MESSAGES
    try:
        speaker, content = text(turn, names["role"]), text(turn, names["content"])
    except KeyError as error:
        raise ValueError(f"column '{column}': a turn has no '{error.args[0]}', only {', '.join(turn)}") from None
    except TypeError as error:
        raise TypeError(str(error).replace("column", f"column '{column}', key", 1)) from None
    if speaker not in _ROLES:
        raise ValueError(f"column '{column}': no role is called '{speaker}'{did_you_mean(speaker, _ROLES)}")
    return _ROLES[speaker], content, turn.get("weight") != 0


def _read_prompt_completion(row: Row) -> Row:
    asked = [(*_turn(turn, "prompt")[:2], False) for turn in _turns(row, "prompt")]
    return _exchange(row, "prompt", [*asked, *(_turn(turn, "completion") for turn in _turns(row, "completion"))])


def _write(trace: Trace, column: str, names: dict[str, str]) -> Row:
    turns: list[dict[str, Any]] = []
    for message in (*trace.prompt.messages, {"role": "assistant", "content": trace.text}):
        turns.append({names["role"]: names[message["role"]], names["content"]: message["content"]})
    answers = [turn for turn in turns if turn[names["role"]] == names["assistant"]]
    for turn, said in zip(answers, trace.prompt.query.history, strict=False):
        turn.update({} if said.learnt else {"weight": 0})
    return {column: turns}


def _write_prompt_completion(trace: Trace) -> Row:
    return {"prompt": trace.prompt.messages, "completion": [{"role": "assistant", "content": trace.text}]}


SHAREGPT: Final = Format(
    name="sharegpt",
    columns="conversations: [{from: system|human|gpt, value}]",
    needed=frozenset({"conversations"}),
    read=lambda row: _read(row, "conversations"),
    write=partial(_write, column="conversations", names=_SHAREGPT),
    holds=PLAIN | {"history"},
    llama_factory={"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    axolotl={
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    },
)
MESSAGES: Final = Format(
    name="messages",
    columns="messages: [{role: system|user|assistant, content}]",
    needed=frozenset({"messages"}),
    read=lambda row: _read(row, "messages"),
    write=partial(_write, column="messages", names=_MESSAGES),
    holds=PLAIN | {"history"},
    llama_factory={
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    },
    axolotl={"type": "chat_template"},
)
PROMPT_COMPLETION: Final = Format(
    name="prompt-completion",
    columns="prompt: [{role: system|user, content}], completion: [{role: assistant, content}]",
    needed=frozenset({"prompt", "completion"}),
    read=_read_prompt_completion,
    write=_write_prompt_completion,
)
