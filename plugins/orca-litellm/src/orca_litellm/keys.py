"""Under which key the log has a prompt's answer."""

from __future__ import annotations

from orca_core import Prompt
from orca_core.decoding import Redecoded
from orca_core.responses import request_key
from orca_litellm import LiteLLMConfig


class Keys:
    """The keys of a teacher's prompts, each with the decoding that it demands."""

    def __init__(self, config: LiteLLMConfig) -> None:
        self._redecoded = Redecoded(config)

    def __call__(self, prompt: Prompt) -> bytes:
        """Raises UserError: the teacher cannot be told what the prompt demands."""
        config = self._redecoded(prompt.decoding)
        return request_key(config.model, prompt.messages, config.decoding, prompt.sample)
