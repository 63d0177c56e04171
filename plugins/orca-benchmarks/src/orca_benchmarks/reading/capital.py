"""The paper's reader (its section 5, after AGIEval's): the first capital letter that may be an option's."""

from __future__ import annotations


def first_capital(text: str, letters: str) -> str | None:
    """The first character of the reply that is one of ``letters``; None: wrong.

    Nothing else is looked at, so that "Based on ..." is B and "First ..." is F: that is the protocol.
    """
    return next((character for character in text if character in letters), None)
