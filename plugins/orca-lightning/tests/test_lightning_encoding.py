"""Examples as tokens: templates, the tokenizer, what is supervised, and what is too long."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_lightning.text.corpus import Corpus
from orca_lightning.text.encoding import Form, encode_continuations, encode_examples, encode_prompts
from orca_lightning.text.template import PAD, TEMPLATES
from orca_lightning.text.tokenizer import base_tokenizer, train_tokenizer

from orca_core.errors import UserError
from orca_core.records import Prompt, Query, Trace, Turn

WORDS = ["Is ( True and not False ) true?", "3 + 12 * -5 = ?", "Alice swaps balls with Bob.", "So the answer is 42."]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda t: t.strip() != ""
)


@cache
def tokenizer(template: str, *, join_spaces: bool = True) -> Any:
    return train_tokenizer(WORDS * 5, vocab_size=400, template=TEMPLATES[template], join_spaces=join_spaces)


def trace(question: str, answer: str, system: str = "") -> Trace:
    return Trace(Prompt(Query(question, "t"), system), answer, model="test")


def encoded(examples: list[Trace], tok: Any, **limits: Any) -> Corpus:
    with tempfile.TemporaryDirectory() as folder:
        encode_examples(examples, tok, Path(folder) / "corpus", **limits)
        return Corpus.open(Path(folder) / "corpus")


def parts(corpus: Corpus, i: int) -> tuple[list[int], list[int]]:
    ids = corpus.ids[corpus.starts[i] : corpus.starts[i + 1]].tolist()
    return ids[: -corpus.targets[i]], ids[-corpus.targets[i] :]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
@settings(max_examples=40, deadline=None, derandomize=True)
@given(question=TEXT, answer=TEXT, system=st.just("") | TEXT)
def test_what_is_supervised_is_the_response_and_the_end_token(
    template: str, question: str, answer: str, system: str
) -> None:
    tok = tokenizer(template)
    example = trace(question, answer, system)
    prompt, target = parts(encoded([example], tok, max_length=4096), 0)
    assert target[-1] == tok.eos_token_id
    assert tok.eos_token_id not in target[:-1]
    assert tok.decode(target[:-1]) == answer
    rendered = tok.apply_chat_template(example.prompt.messages, add_generation_prompt=True, tokenize=False)
    assert tok.decode(prompt) == rendered


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_transformers_sees_the_same_mask_through_the_generation_marks(template: str) -> None:
    tok = tokenizer(template)
    for example in (trace("3 + 4 = ?", "7."), trace("Is it?", "So the answer is 42.", "Think.")):
        prompt, target = parts(encoded([example], tok, max_length=512), 0)
        conversation = [*example.prompt.messages, {"role": "assistant", "content": example.text}]
        theirs = tok.apply_chat_template(conversation, return_dict=True, return_assistant_tokens_mask=True)
        ids, mask = theirs["input_ids"], theirs["assistant_masks"]
        assert ids[: len(prompt) + len(target)] == prompt + target
        assert [token for token, marked in zip(ids, mask, strict=True) if marked] == target


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_padding_is_a_token_of_its_own(template: str) -> None:
    tok = tokenizer(template)
    assert tok.pad_token == PAD
    assert tok.pad_token_id != tok.eos_token_id


@settings(deadline=None, derandomize=True)
@given(text=TEXT, join_spaces=st.booleans())
def test_any_text_comes_back_and_digits_and_symbols_stand_alone(text: str, join_spaces: bool) -> None:
    tok = tokenizer("orca", join_spaces=join_spaces)
    assert tok.decode(tok.encode(text, add_special_tokens=False)) == text
    pieces = [tok.decode([i]) for i in tok.encode("(12+3)*[45]-{6} = 7", add_special_tokens=False)]
    assert all(len(piece.strip()) <= 1 for piece in pieces)
    assert "".join(pieces) == "(12+3)*[45]-{6} = 7"


def test_words_are_whole_tokens_and_a_symbol_takes_its_space_along_if_wanted() -> None:
    text = "( True and not False )"
    joined = train_tokenizer([text] * 9, vocab_size=400, template=TEMPLATES["orca"], join_spaces=True)
    apart = train_tokenizer([text] * 9, vocab_size=400, template=TEMPLATES["orca"], join_spaces=False)
    assert [joined.decode([i]) for i in joined.encode(text)] == ["(", " True", " and", " not", " False", " )"]
    assert [apart.decode([i]) for i in apart.encode(text)] == ["(", " True", " and", " not", " False", " ", ")"]


def test_the_order_of_the_examples_does_not_change_the_tokenizer() -> None:
    make = [
        train_tokenizer(t, vocab_size=400, template=TEMPLATES["orca"], join_spaces=True) for t in (WORDS, WORDS[::-1])
    ]
    assert make[0].get_vocab() == make[1].get_vocab()


def test_a_special_token_spelt_out_in_a_response_is_text() -> None:
    tok = tokenizer("orca")
    (ids,) = encode_continuations(tok, ["it ends with <|end|> or not"])
    assert tok.eos_token_id not in ids
    assert tok.decode(ids) == "it ends with <|end|> or not"


def test_a_too_long_example_loses_the_beginning_of_its_prompt_and_never_its_answer() -> None:
    tok = tokenizer("orca")
    short, long, hopeless = trace("a", "b"), trace("x " * 50, "So the answer is 42."), trace("a", "y " * 80)
    corpus = encoded([short, long, hopeless], tok, max_length=40)
    assert (len(corpus), corpus.truncated, corpus.dropped) == (2, 1, 1)
    prompt, target = parts(corpus, 1)
    assert len(prompt) + len(target) == 40
    assert tok.decode(target[:-1]) == "So the answer is 42."
    whole = encode_prompts(tok, [long.prompt])[0]
    assert prompt == whole[-len(prompt) :]
    dropped = encoded([short, long, hopeless], tok, max_length=40, over_long="drop")
    assert (len(dropped), dropped.truncated, dropped.dropped) == (1, 0, 2)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([], "no examples to train on"),
        ([trace("why?", " \n")], "task 't'.* has an empty response"),
        ([trace("why?", "because " * 99)], "all 1 examples are longer than student.max_length=40"),
    ],
)
def test_useless_examples_are_refused_with_a_reason(examples: list[Trace], message: str) -> None:
    with pytest.raises(UserError, match=message):
        encoded(examples, tokenizer("orca"), max_length=40)


@pytest.fixture
def llama_like(tmp_path: Path) -> Path:
    """A tokenizer that, as LLaMA's does, puts a space before every text; no padding, no template."""
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    backend.train_from_iterator(WORDS, trainers.BpeTrainer(vocab_size=400, special_tokens=specials))
    fast: Any = PreTrainedTokenizerFast
    fast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>").save_pretrained(
        tmp_path / "base"
    )
    return tmp_path / "base"


def test_a_base_tokenizer_gains_padding_and_nothing_else_with_the_plain_template(llama_like: Path) -> None:
    from transformers import AutoTokenizer

    before, after = AutoTokenizer.from_pretrained(llama_like), base_tokenizer(str(llama_like), "plain")
    assert len(after) == len(before) + 1
    assert (after.pad_token, after.pad_token_id, after.eos_token) == (PAD, len(before), "</s>")


def test_a_response_continues_its_prompt_without_the_space_that_llama_puts_before_a_text(llama_like: Path) -> None:
    tok = base_tokenizer(str(llama_like), "plain")
    example = trace("Is it?", "So the answer is 42.")
    prompt, target = parts(encoded([example], tok, max_length=512), 0)
    rendered = tok.apply_chat_template(example.prompt.messages, add_generation_prompt=True, tokenize=False)
    joint = tok.encode(rendered + example.text + tok.eos_token, add_special_tokens=False)
    assert prompt + target == joint
    assert np.array_equal(prompt, encode_prompts(tok, [example.prompt])[0])


def test_a_base_without_a_template_asks_for_one(llama_like: Path) -> None:
    with pytest.raises(UserError, match=r"no chat template of its own; choose student.template=orca\|chatml"):
        base_tokenizer(str(llama_like), None)


def test_a_missing_base_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenizer could be loaded from"):
        base_tokenizer(str(tmp_path / "nowhere"), "plain")


def test_examples_are_encoded_the_same_however_many_there_are(make_sums: Callable[..., list[Trace]]) -> None:
    traces, tok = make_sums(30), tokenizer("orca")
    together = encoded(traces, tok, max_length=128)
    assert [parts(together, i) for i in range(30)] == [parts(encoded([t], tok, max_length=128), 0) for t in traces]


# The public templates of these models, as their documentation gives them (whole conversations, no tools).
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
    "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
MISTRAL = (  # v0.3: the system message stands before the last question
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}{{ bos_token }}{% for message in rest %}{% if message['role'] == 'user' %}"
    "{% if loop.last and system is defined %}{{ '[INST] ' + system + '\\n\\n' + message['content'] + '[/INST]' }}"
    "{% else %}{{ '[INST] ' + message['content'] + '[/INST]' }}{% endif %}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
QWEN_3 = (  # an answer after the last question opens with an empty thought
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\\n' }}"
    "{% if loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ message['content'] + '<|im_end|>\\n' }}{% else %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
OTHERS = {"llama-2": LLAMA_2, "mistral": MISTRAL, "qwen-3": QWEN_3}


@pytest.fixture(params=[*TEMPLATES, *OTHERS])
def chat(request: pytest.FixtureRequest, llama_like: Path) -> Any:
    """A tokenizer for each template: byte-level where the template is ours or Qwen's, with LLaMA's blanks for the others."""
    name = request.param
    if name in TEMPLATES:
        return tokenizer(name)
    tok = base_tokenizer(str(llama_like), "chatml" if name == "qwen-3" else "plain")
    tok.chat_template = OTHERS[name]
    return tok


def conversation(system: str = "", learnt: bool = True) -> Trace:
    turns = (Turn("Is it?", "So the answer is 42.", learnt), Turn("3 + 12 = ?", "15."))
    return Trace(Prompt(Query("Why?", "t", history=turns), system), "Alice swaps.", model="m")


def marked(corpus: Corpus, tok: Any) -> list[str]:
    """The supervised stretches of the only example."""
    edges = np.flatnonzero(np.diff(np.r_[0, corpus.supervised, 0].astype(int))).reshape(-1, 2)
    return [tok.decode(corpus.ids[a:b], clean_up_tokenization_spaces=False) for a, b in edges]


def test_what_counts_in_a_conversation_are_its_answers_and_their_end_tokens(chat: Any) -> None:
    corpus = encoded([conversation()], chat, max_length=512)
    answers = ["So the answer is 42.", "15.", "Alice swaps."]
    found = marked(corpus, chat)
    assert [text.replace(chat.eos_token, "").strip() for text in found] == answers
    assert all(text.count(chat.eos_token) == 1 and text.endswith(chat.eos_token) for text in found)
    assert chat.pad_token_id != chat.eos_token_id
    assert chat.pad_token_id not in corpus.ids.tolist()


def test_a_conversation_is_the_text_that_its_template_writes(chat: Any) -> None:
    example = conversation()
    whole = [*example.prompt.messages, {"role": "assistant", "content": example.text}]
    text = chat.apply_chat_template(whole, tokenize=False).replace("<think>\n\n</think>\n\n", "")
    ids = encoded([example], chat, max_length=512).ids.tolist()
    joint = chat.encode(text, add_special_tokens=False)
    assert joint[: len(ids)] == ids
    assert chat.decode(joint[len(ids) :]).strip() == "", "a line break after the end token"


def test_a_question_is_asked_with_the_tokens_that_it_was_learnt_with(chat: Any) -> None:
    example = conversation()
    (asked,) = encode_prompts(chat, [example.prompt])
    assert encoded([example], chat, max_length=512).ids[: len(asked)].tolist() == asked


def test_an_answer_that_is_not_to_be_learnt_does_not_count(chat: Any) -> None:
    found = marked(encoded([conversation(learnt=False)], chat, max_length=512), chat)
    assert [text.replace(chat.eos_token, "").strip() for text in found] == ["15.", "Alice swaps."]


def test_earlier_answers_count_only_where_they_stand_as_they_were_given(llama_like: Path) -> None:
    tok = base_tokenizer(str(llama_like), "plain")
    tok.chat_template = MISTRAL
    found = marked(encoded([conversation(system="Think.")], tok, max_length=512), tok)
    assert len(found) == 1, "the system message moves to the last question, so the first was never asked with it"
    assert "Alice swaps." in found[0]


def test_a_conversation_that_is_too_long_learns_no_half_answer() -> None:
    tok = tokenizer("orca")
    whole = encoded([conversation()], tok, max_length=512)
    for length in range(len(whole.ids) - 1, 12, -1):
        cut = encoded([conversation()], tok, max_length=length)
        answers = [text.removesuffix(tok.eos_token) for text in marked(cut, tok)]
        assert answers == ["So the answer is 42.", "15.", "Alice swaps."][-len(answers) :]


def test_a_generated_answer_has_no_blanks_of_the_template(llama_like: Path) -> None:
    tok = base_tokenizer(str(llama_like), "plain")
    tok.chat_template = LLAMA_2
    form = Form.of(tok)
    assert (form.lead, form.trail, form.bare(" 42. ")) == (" ", " ", "42.")
    tok.chat_template = QWEN_3
    assert Form.of(tok) == Form()


def test_a_template_that_refuses_a_conversation_is_told(llama_like: Path) -> None:
    tok = base_tokenizer(str(llama_like), "plain")
    tok.chat_template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    with pytest.raises(UserError, match=r"refuses a conversation \(no system\); choose student.template"):
        encode_prompts(tok, [Prompt(Query("q", "t"), "Think.")])
