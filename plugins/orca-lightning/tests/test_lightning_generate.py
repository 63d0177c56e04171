"""Answering: the same tokens as transformers, whatever the batch; and log-likelihoods of choices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_lightning import LIGHTNING, Generation, LightningConfig, ModelShape
from orca_lightning.answering.decoding import Decoding, choose
from orca_lightning.answering.generate import Room, generate
from orca_lightning.answering.likelihood import Asked, log_likelihoods
from orca_lightning.answering.prefixes import WORTH, families
from transformers import AutoModelForCausalLM, AutoTokenizer

from orca_core.component import Context
from orca_core.errors import UserError
from orca_core.protocols import Responder
from orca_core.records import Prompt, Query, Trace


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model whose weights are large enough for varied answers, some of which end by themselves."""
    import orca_lightning.training.start as start
    from orca_lightning.job import Job

    traces = [
        Trace(Prompt(Query(f"{i} + {j} = ?", "t"), "Explain."), f"{i + j}.", model="m")
        for i in range(9)
        for j in range(9)
    ]
    shape = ModelShape(
        hidden_size=64, layers=2, heads=4, kv_heads=2, intermediate_size=96, vocab_size=290, positions=256, init_std=0.3
    )
    out = tmp_path_factory.mktemp("untrained")
    start.write_untrained(Job(LightningConfig(model=shape, max_length=256), 0, None, out, 3), traces)
    return out / "checkpoint"


@pytest.fixture
def respond(checkpoint: Path, context: Context) -> Callable[..., Responder]:
    def load(**generation: object) -> Responder:
        config = LightningConfig(generation=Generation.model_validate(generation), threads=1)
        return LIGHTNING.build(config, context).load(checkpoint)

    return load


def prompts(count: int) -> list[Prompt]:
    draw = np.random.default_rng(0)
    texts = [" + ".join(map(str, draw.integers(0, 10, draw.integers(1, 30)).tolist())) for _ in range(count)]
    return [Prompt(Query(f"{text} = ?", "t"), "Explain." if i % 2 else "") for i, text in enumerate(texts)]


def opened(checkpoint: Path) -> tuple[Any, Any]:
    """Model and tokenizer, by plain transformers."""
    return AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)


def by_id(traces: list[Trace]) -> dict[str, Trace]:
    return {trace.prompt.id: trace for trace in traces}


def test_greedy_answers_are_those_of_transformers_one_by_one(
    checkpoint: Path, respond: Callable[..., Responder]
) -> None:
    asked = prompts(40)
    answers = by_id(list(respond(max_new_tokens=220, batch_size=16).respond(asked)))
    model, tokenizer = opened(checkpoint)
    reasons = set()
    for prompt in asked:
        ids = tokenizer.apply_chat_template(
            prompt.messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        room = min(220, 256 - ids["input_ids"].shape[1])
        with torch.no_grad():
            new = model.generate(**ids, max_new_tokens=room, do_sample=False)[0, ids["input_ids"].shape[1] :].tolist()
        answer = answers[prompt.id]
        ended = new[-1] == tokenizer.eos_token_id
        assert answer.text == tokenizer.decode(new, skip_special_tokens=True)
        assert answer.finish_reason == ("stop" if ended else "length")
        assert (answer.prompt_tokens, answer.completion_tokens) == (ids["input_ids"].shape[1], len(new))
        reasons.add(answer.finish_reason)
    assert reasons == {"stop", "length"}, "the test should see both"


def test_sampled_answers_depend_on_the_prompt_and_the_seed_but_not_on_the_batch(
    respond: Callable[..., Responder],
) -> None:
    asked = prompts(12)
    sampling = {"max_new_tokens": 20, "temperature": 0.8, "top_p": 0.9}
    alone, together = (by_id(list(respond(batch_size=size, **sampling).respond(asked))) for size in (1, 12))
    assert {i: t.text for i, t in alone.items()} == {i: t.text for i, t in together.items()}
    greedy = by_id(list(respond(max_new_tokens=20).respond(asked)))
    assert any(greedy[i].text != alone[i].text for i in alone)


def test_sampling_follows_the_probabilities_of_the_likeliest_tokens() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.3, 0.1]])).repeat(20_000, 1)
    draws = [np.random.default_rng([0, i]) for i in range(len(logits))]
    tokens = choose(logits, Decoding(1, frozenset(), 9, temperature=1.0, top_p=0.75), draws)
    shares = torch.bincount(tokens, minlength=4) / len(tokens)
    assert shares.tolist() == pytest.approx([0, 0.625, 0.375, 0], abs=0.01)


def test_choices_get_their_log_likelihoods_and_the_likeliest_is_the_answer(
    checkpoint: Path, respond: Callable[..., Responder]
) -> None:
    choices = ("7", "12 + 3", "nothing", "")
    asked = [Prompt(p.query, p.system, choices) for p in prompts(5)]
    model, tokenizer = opened(checkpoint)
    for trace in respond().respond(asked):
        text = tokenizer.apply_chat_template(trace.prompt.messages, add_generation_prompt=True, tokenize=False)
        before = tokenizer.encode(text, add_special_tokens=False)
        expected = []
        for choice in choices:
            ids = torch.tensor([before + tokenizer.encode(choice, add_special_tokens=False)])
            with torch.no_grad():
                scores = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
            expected.append(scores[len(before) - 1 :].sum().item())
        assert trace.choice_logprobs == pytest.approx(expected, abs=1e-4)
        assert trace.text == choices[int(np.argmax(expected))]


def test_a_prompt_that_leaves_no_room_gets_an_empty_answer_cut_off_by_length(respond: Callable[..., Responder]) -> None:
    long = Prompt(Query("1 + " * 300, "t"))
    answers = by_id(list(respond(max_new_tokens=5).respond([*prompts(3), long])))
    assert (answers[long.id].text, answers[long.id].finish_reason, answers[long.id].completion_tokens) == (
        "",
        "length",
        0,
    )
    assert len(answers) == 4


def test_prompts_are_pulled_as_they_are_needed(respond: Callable[..., Responder]) -> None:
    pulled = []

    def source() -> Iterator[Prompt]:
        for prompt in prompts(200):
            pulled.append(prompt)
            yield prompt

    answers = respond(max_new_tokens=1, batch_size=2).respond(source())
    next(answers)
    assert len(pulled) < 200
    assert isinstance(answers, Generator)
    answers.close()


PREAMBLE = "Think of what was said about sums, and say every step, as a teacher would do. "


def test_a_common_beginning_and_repeated_prompts_are_run_once_and_change_nothing(
    respond: Callable[..., Responder],
) -> None:
    asked = [replace(p, system=2 * PREAMBLE, sample=sample) for p in prompts(6) for sample in range(3)]
    alone = by_id(list(respond(max_new_tokens=12, batch_size=1).respond(asked)))
    responder: Any = respond(max_new_tokens=12, batch_size=18)
    passes: list[torch.Size] = []
    responder.model.get_input_embeddings().register_forward_pre_hook(lambda _, args: passes.append(args[0].shape))
    answers = by_id(list(responder.respond(asked)))
    assert {i: t.text for i, t in answers.items()} == {i: t.text for i, t in alone.items()}
    read = sum(rows * tokens for rows, tokens in passes if tokens > 1)
    assert read < sum(t.prompt_tokens or 0 for t in answers.values()) / 4


def plain(checkpoint: Path) -> Any:
    from orca_lightning.network.model import load_model

    return load_model(checkpoint).eval()


def drawn(count: int, seed: int = 0) -> list[list[int]]:
    """Prompts of random tokens of very different lengths."""
    draw = np.random.default_rng(seed)
    return [draw.integers(8, 250, int(n)).tolist() for n in draw.integers(1, 90, count)]


@pytest.mark.parametrize("room", [Room(rows=5), Room(rows=8, tokens=300), Room(rows=40)])
def test_rows_that_end_make_room_and_no_answer_changes(checkpoint: Path, room: Room) -> None:
    model, asked = plain(checkpoint), drawn(30)
    decoding = Decoding(40, frozenset(range(100, 110)), 256, logprobs=True)
    draws = [np.random.default_rng(i) for i in range(len(asked))]
    found = dict(generate(model, asked, decoding, draws, room=room))
    alone = [dict(generate(model, [prompt], decoding, draws[:1]))[0] for prompt in asked]
    assert [found[i].tokens for i in range(30)] == [answer.tokens for answer in alone]
    assert len({len(answer.tokens) for answer in alone}) > 5, "the test should see answers of many lengths"
    for i, answer in enumerate(alone):
        assert found[i].logprobs == pytest.approx(answer.logprobs, abs=1e-4)


def test_a_batch_is_bounded_by_tokens(checkpoint: Path) -> None:
    model, asked = plain(checkpoint), drawn(20)
    rows: list[int] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    draws = [np.random.default_rng(0)] * 20
    longest = max(map(len, asked)) + 10
    list(generate(model, asked, Decoding(10, frozenset(), 256), draws, room=Room(rows=20, tokens=4 * longest)))
    assert max(rows) >= 4
    assert max(rows) * (min(map(len, asked)) + 10) <= 4 * longest


def test_a_rollout_tells_how_likely_its_tokens_were(checkpoint: Path) -> None:
    model, asked = plain(checkpoint), drawn(4)
    reference, _ = opened(checkpoint)
    draws = [np.random.default_rng(i) for i in range(4)]
    decoding = Decoding(6, frozenset(), 256, temperature=1.0, logprobs=True)
    for number, answer in generate(model, asked, decoding, draws):
        ids = torch.tensor([asked[number] + answer.tokens])
        with torch.no_grad():
            scores = reference(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        assert answer.logprobs == pytest.approx(scores[-len(answer.tokens) :].tolist(), abs=1e-4)


def test_an_answer_ends_where_the_caller_says(checkpoint: Path) -> None:
    model, asked = plain(checkpoint), drawn(3)
    draws = [np.random.default_rng(0)] * 3
    decoding = Decoding(9, frozenset(), 256)
    found = dict(generate(model, asked, decoding, draws, stop=lambda number, tokens: len(tokens) > number))
    assert [len(found[i].tokens) for i in range(3)] == [1, 2, 3]


def test_prompts_are_divided_by_what_saves_most() -> None:
    first, second = list(range(100)), list(range(100)) + list(range(500, 900))
    asked = [[*first, i] for i in range(5)] + [[*second, i] for i in range(4)] + [[7], [7, 8]]
    found = {family.members: family.shared for family in families(asked)}
    assert found == {(0, 1, 2, 3, 4): (), (5, 6, 7, 8): tuple(second), (9, 10): ()} or found == {
        (5, 6, 7, 8): tuple(second),
        (0, 1, 2, 3, 4, 9, 10): (),
    }


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90), st.integers(0, 3)), min_size=1, max_size=60))
@settings(deadline=None, derandomize=True)
def test_every_prompt_is_of_one_family_and_begins_as_it_says(drawn: list[tuple[int, int, int]]) -> None:
    asked = [[beginning] * length + [9, end] for beginning, length, end in drawn]
    found = families(asked)
    assert sorted(i for family in found for i in family.members) == list(range(len(asked)))
    for family in found:
        for i in family.members:
            assert tuple(asked[i][: len(family.shared)]) == family.shared
            assert len(asked[i]) > len(family.shared)
        assert not family.shared or (len(family.members) - 1) * len(family.shared) >= WORTH


def test_worked_examples_before_many_questions_are_run_once_and_change_no_likelihood(checkpoint: Path) -> None:
    model, (reference, _) = plain(checkpoint), opened(checkpoint)
    examples = drawn(1, seed=5)[0] + list(range(8, 108))
    asked = [Asked(examples + prompt[:20], [[9, 10, 11], [12], [], [13, 14]]) for prompt in drawn(12)]
    passes: list[int] = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _, args: passes.append(args[0].numel()))
    found = log_likelihoods(model, asked)
    assert sum(passes) < sum(len(a.prompt) for a in asked) / 2
    for a, likelihoods in zip(asked, found, strict=True):
        for option, likelihood in zip(a.continuations, likelihoods, strict=True):
            ids = torch.tensor([[*a.prompt, *option]])
            with torch.no_grad():
                logits = reference(ids).logits[0, len(a.prompt) - 1 : -1].log_softmax(-1)
            expected = logits.gather(1, ids[0, len(a.prompt) :, None]).sum().item()
            assert likelihood.logprob == pytest.approx(expected, abs=1e-4)
            assert likelihood.greedy == (logits.argmax(-1).tolist() == list(option))


def test_choices_of_many_questions_are_scored_as_those_of_one(respond: Callable[..., Responder]) -> None:
    asked = [
        Prompt(p.query, p.system, ("7", "12 + 3 and so on", "", "no")[: 2 + i % 3]) for i, p in enumerate(prompts(30))
    ]
    together = by_id(list(respond(batch_size=64).respond(asked)))
    for prompt in asked:
        (alone,) = respond_to(respond, prompt)
        assert together[prompt.id].choice_logprobs == pytest.approx(alone.choice_logprobs, abs=1e-4)


def respond_to(respond: Callable[..., Responder], prompt: Prompt) -> list[Trace]:
    return list(respond(batch_size=1).respond([prompt]))


def test_answers_in_sixteen_bits_are_nearly_the_same(respond: Callable[..., Responder]) -> None:
    asked = [Prompt(p.query, p.system, ("7", "12 + 3")) for p in prompts(8)]
    exact, rounded = (by_id(list(respond(dtype=dtype).respond(asked))) for dtype in ("float32", "bfloat16"))
    for i, trace in exact.items():
        assert rounded[i].choice_logprobs == pytest.approx(trace.choice_logprobs, rel=0.1)


def test_vllm_is_asked_as_its_documentation_says(
    respond: Callable[..., Responder], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    class LLM:
        def __init__(self, model: str, **options: Any) -> None:
            told.append((Path(model).name, options["dtype"]))

        def generate(self, asked: list[dict[str, list[int]]], wishes: list[Any], use_tqdm: bool) -> list[Any]:
            told.extend(wishes)
            answers = [[7, *wish.stop_token_ids[:1]] for wish in wishes]
            return [SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(ids))]) for ids in answers]

    stand_in = SimpleNamespace(LLM=LLM, SamplingParams=lambda **wishes: SimpleNamespace(**wishes))
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    traces = list(respond(engine="vllm", temperature=0.5, max_new_tokens=9).respond(prompts(3)))
    assert told[0] == ("checkpoint", "float32")
    assert {(wish.temperature, wish.max_tokens) for wish in told[1:]} == {(0.5, 9)}
    assert len({wish.seed for wish in told[1:]}) == 3
    assert {(trace.finish_reason, trace.completion_tokens) for trace in traces} == {("stop", 2)}


def test_without_vllm_it_says_what_to_install(respond: Callable[..., Responder]) -> None:
    with pytest.raises(UserError, match="pip install vllm, or choose engine=orca"):
        respond(engine="vllm")


def test_what_a_prompt_demands_goes_before_the_students_settings(respond: Callable[..., Responder]) -> None:
    asked = prompts(12)
    whole = by_id(list(respond(max_new_tokens=24).respond(asked)))
    stop = next(trace.text for trace in whole.values() if len(trace.text) > 8)[4:6]
    short = [replace(prompt, decoding={"max_tokens": 3}) for prompt in asked]
    stopped = [replace(prompt, decoding={"stop": [stop]}) for prompt in asked]
    drawn = [replace(prompt, decoding={"temperature": 1.0}) for prompt in asked]
    mixed = [prompt for four in zip(asked, short, stopped, drawn, strict=True) for prompt in four]
    found = by_id(list(respond(max_new_tokens=24).respond(mixed)))
    sampled = by_id(list(respond(max_new_tokens=24, temperature=1.0).respond(drawn)))
    for plain, cut, ended, free in zip(asked, short, stopped, drawn, strict=True):
        text = whole[plain.id].text
        assert found[plain.id].text == text
        assert found[cut.id].completion_tokens == min(3, whole[plain.id].completion_tokens or 0)
        assert found[cut.id].decoding["max_new_tokens"] == 3
        assert found[ended.id].text == text.split(stop)[0]
        assert found[ended.id].finish_reason == ("stop" if stop in text else whole[plain.id].finish_reason)
        assert found[free.id].text == sampled[free.id].text
        assert (found[free.id].logprob or 0) < 0  # what is drawn tells how likely it was
        assert found[plain.id].logprob is None
    assert any(found[free.id].text != whole[plain.id].text for plain, free in zip(asked, drawn, strict=True))
