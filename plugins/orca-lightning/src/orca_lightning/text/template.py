"""Chat templates: the one place that says how a conversation becomes text.

A template is stored with the tokenizer in the checkpoint; training, generation and serving all render with that copy. Its
``{% generation %}`` block marks what the student writes, the response and the end token, for tools that read such marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PAD: Final = "[[PAD]]"
"""The paper's padding token. It is never the end token, whose prediction has to be learnt."""


@dataclass(frozen=True)
class Template:
    """What stands around the turns. The end token is the tokenizer's ``eos_token``, in the jinja text as well."""

    system: str
    user: str
    assistant: str
    close: str = ""
    """Ends the system's and the user's turn."""
    after: str = ""
    """Follows the end token where the conversation goes on; never trained on."""
    end: str | None = None
    """The end token; None: the base's own, or ``</s>`` from scratch."""
    bos: str | None = None
    """Opens the text; None: the base's own if it has one."""
    specials: tuple[str, ...] = ()
    """Headers that become one token each."""

    @property
    def jinja(self) -> str:
        """The template in the language of ``tokenizer.chat_template``."""
        return (
            "{{ bos_token or '' }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
            f"{{{{ {self.assistant!r} }}}}{{% generation %}}{{{{ message['content'] + eos_token }}}}{{% endgeneration %}}"
            f"{{{{ {self.after!r} }}}}{{% else %}}"
            f"{{{{ ({self.system!r} if message['role'] == 'system' else {self.user!r}) + message['content'] + {self.close!r} }}}}"
            f"{{% endif %}}{{% endfor %}}{{% if add_generation_prompt %}}{{{{ {self.assistant!r} }}}}{{% endif %}}"
        )


TEMPLATES: Final = {
    # One token a turn, for models from scratch, whose every token costs compute; the next header ends a prompt turn.
    "orca": Template(*(headers := ("<|system|>", "<|user|>", "<|assistant|>")), end="<|end|>", specials=headers),
    "chatml": Template(
        "<|im_start|>system\n",
        "<|im_start|>user\n",
        "<|im_start|>assistant\n",
        close="<|im_end|>\n",
        after="\n",
        end="<|im_end|>",
        specials=("<|im_start|>",),
    ),
    "llama-3": Template(
        "<|start_header_id|>system<|end_header_id|>\n\n",
        "<|start_header_id|>user<|end_header_id|>\n\n",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        close="<|eot_id|>",
        end="<|eot_id|>",
        bos="<|begin_of_text|>",
        specials=("<|start_header_id|>", "<|end_header_id|>"),
    ),
    # Adds no token: LLaMA's 32,000 and the padding are the paper's 32,001. The form that orca_mini made known.
    "plain": Template("### System:\n", "### User:\n", "### Response:\n", close="\n\n", after="\n"),
}
"""The templates offered, by the name in the config."""
