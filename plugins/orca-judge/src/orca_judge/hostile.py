"""Answers that speak to the judge instead of the user. A flag is for people to look at; it changes no verdict."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WHO: Final = r"(?:assistant|answer|response)\s+(?:[12AB]|one|two)\b"
_TOP: Final = r"(?:10|ten|full|highest|maximum|perfect|top)\b"
FLAGS: Final = {
    "orders": re.compile(
        r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:above|previous|prior|earlier|preceding|instructions?|"
        rf"prompts?|rubric|{_WHO})"
        rf"|\b(?:give|award|assign|grant|rate|score|grade)\s+(?:me|it|my\s\w+|this\s(?:answer|response|assistant)|{_WHO})[^.\n]"
        rf"{{0,40}}?\b{_TOP}"
        rf"|\b(?:give|award|assign|output)\s+(?:a\s+|the\s+)?(?:scores?|ratings?|grades?|marks?)\s+of\s+{_TOP}"
        r"|\bgive\s+(?:a\s+)?(?:10|ten)(?:\s*/\s*10|\s+out\s+of\s+(?:10|ten)|\s*[.!]?\s*$)"
        rf"|\b(?:choose|pick|select|prefer|vote\s+for)\s+{_WHO}"
        rf"|\b{_WHO}\s+(?:is\s+(?:clearly\s+|much\s+)?(?:better|best|the\s+winner)|wins)\b",
        re.IGNORECASE | re.MULTILINE,
    ),
    "scores": re.compile(r"^\s*\(?(?:10|\d)(?:\.\d+)?[ \t,]+(?:10|\d)(?:\.\d+)?\)?\s*$", re.MULTILINE),
    "verdicts": re.compile(r"\[\[\s*(?:rating|[ABC]|\d{1,2}(?:\.\d+)?)\s*\]\]", re.IGNORECASE),
    "delimiters": re.compile(
        r"\[\s*(?:the\s+)?(?:start|end)\s+of\b[^\]\n]{0,60}\b(?:answer|assistant|conversation)"
        r"|^\s*\[(?:system|(?:user\s+)?question|instruction)\]\s*$|<\|[\w ]{1,40}\|>|\[/?INST\]|<</?SYS>>",
        re.IGNORECASE | re.MULTILINE,
    ),
}
"""What an answer does, by a word for it: gives the judge orders, has a line that looks like its scores, or its verdict, or
like the form's own lines around an answer, or a chat template's."""


def flags(answer: str) -> frozenset[str]:
    """Which of :data:`FLAGS` an answer raises, whatever characters it spells them with."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKC", answer) if unicodedata.category(letter) != "Cf")
    return frozenset(flag for flag, pattern in FLAGS.items() if pattern.search(plain))
