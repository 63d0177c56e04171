"""A plugin's tests: the contract for the rest, and its own promise."""

from __future__ import annotations

from pathlib import Path

import orca_parrot
import pytest

from orca_core import Prompt, Query, UserError
from orca_core.testing import build, check_plugin, check_responder, make_context


def test_the_plugin_keeps_the_contract():
    check_plugin(orca_parrot)


def test_it_answers_with_the_target(tmp_path: Path):
    parrot = build(orca_parrot.PARROT, make_context(tmp_path), template="The answer is {target}.")
    for trace in check_responder(parrot):
        assert trace.text == f"The answer is {trace.prompt.query.target}."


def test_a_question_without_a_gold_answer_is_an_error_that_says_so(tmp_path: Path):
    parrot = build(orca_parrot.PARROT, make_context(tmp_path))
    with pytest.raises(UserError, match="has no target"):
        list(parrot.respond([Prompt(Query("Why?", task="open"))]))
