"""Answers cut into steps, and what is kept on the disk for a training that goes on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_lightning.methods import Segmenter, kept
from orca_lightning.text.encoding import encode_continuations
from orca_lightning.text.template import TEMPLATES
from orca_lightning.text.tokenizer import train_tokenizer

from orca_core.errors import UserError

WORDS = ["1 2 3 ; 4 5 ; 6", "The sum is 12. Then it doubles. The answer is 24.\n\n", "Größe 3.5 m ;; \n next"]
TOKENIZER = train_tokenizer(WORDS * 3, vocab_size=420, template=TEMPLATES["orca"], join_spaces=True)
SENTENCES = r"(?<=[.!?])\s+"


def cut(text: str, delimiter: str) -> list[str]:
    """The texts of the steps, closing tokens left out."""
    (tokens,) = encode_continuations(TOKENIZER, [text])
    segmenter = Segmenter(TOKENIZER, delimiter)
    bounds = segmenter.bounds([*tokens, TOKENIZER.eos_token_id])
    assert bounds[-1] <= len(tokens), "the end token closes"
    return [segmenter.text(tokens[first:last]) for first, last in pairwise(bounds)]


def test_steps_end_behind_their_delimiter() -> None:
    assert cut("3 8 1 ; 1 1 ; 2", ";") == ["3 8 1 ;", " 1 1 ;", " 2"]
    assert cut("3 8 1", ";") == ["3 8 1"]
    assert cut("one\n\ntwo\nthree", r"\n+") == ["one\n\n", "two\n", "three"]
    # " Then" is one token, begun by the delimiter's blank: it belongs to what it begins
    assert cut("It is 3.5. Then it doubles.", SENTENCES) == ["It is 3.5.", " Then it doubles."]


def test_no_step_is_blank() -> None:
    assert cut(" ; 1 ;; 2 ;", ";") == [" ; 1 ;", "; 2 ;"]


def test_what_says_nothing_closes() -> None:
    (tokens,) = encode_continuations(TOKENIZER, ["1 ; 2\n"])
    segmenter = Segmenter(TOKENIZER, ";")
    assert segmenter.text(tokens[segmenter.bounds([*tokens, TOKENIZER.eos_token_id])[-1] :]) == "\n"
    assert segmenter.bounds([TOKENIZER.eos_token_id]) == segmenter.bounds([]) == [0]


@settings(deadline=None, max_examples=150)
@given(st.text(alphabet="a1 ;.\nüß€T", max_size=40), st.sampled_from([";", r"\n+", SENTENCES, "[;.]"]))
def test_steps_are_the_answer_in_order_and_each_says_something(text: str, delimiter: str) -> None:
    (tokens,) = encode_continuations(TOKENIZER, [text])
    segmenter = Segmenter(TOKENIZER, delimiter)
    bounds = segmenter.bounds(tokens)
    steps = [segmenter.text(tokens[first:last]) for first, last in pairwise(bounds)]
    assert bounds == sorted(set(bounds))
    assert bounds[0] == 0
    assert all(step.strip() for step in steps)
    assert "".join(steps) + segmenter.text(tokens[bounds[-1] :]) == text
    assert not segmenter.text(tokens[bounds[-1] :]).strip()
    assert segmenter.complete(tokens) or len(steps) <= 1


def test_a_first_step_is_complete_with_its_delimiter() -> None:
    segmenter = Segmenter(TOKENIZER, ";")
    (tokens,) = encode_continuations(TOKENIZER, ["2 3 ; 5"])
    assert [segmenter.complete(tokens[:k]) for k in range(1, 5)] == [False, False, True, True]


@pytest.mark.parametrize(("delimiter", "why"), [("(", "no regular expression"), (r"\s*", "matches the empty text")])
def test_a_delimiter_that_cannot_be_is_refused(delimiter: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        Segmenter(TOKENIZER, delimiter)


def test_what_is_kept_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return {"a": np.arange(3), "b": np.array("text")}

    first, again = (kept(tmp_path / "deep" / "0.npz", make) for _ in range(2))
    assert len(made) == 1
    assert first["a"].tolist() == again["a"].tolist() == [0, 1, 2]
    assert str(again["b"]) == "text"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["0.npz"]
