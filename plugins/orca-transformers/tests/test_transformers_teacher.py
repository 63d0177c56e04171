"""The teacher with a tiny model: the same answers as transformers one by one, whatever the batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from orca_transformers import teacher as teacher_module
from orca_transformers.batching import Job, cut, size
from orca_transformers.encoding import Encoder
from orca_transformers.engine import Engine
from transformers import AutoModelForCausalLM, AutoTokenizer

from orca_core import Prompt, Query, Trace
from orca_core.testing import check_plugin, check_responder


@pytest.fixture(scope="module")
def plain(tiny: Path) -> tuple[Any, Any]:
    """Model and tokenizer, by transformers alone."""
    return AutoModelForCausalLM.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)


def by_id(traces: Iterator[Trace]) -> dict[str, Trace]:
    return {trace.prompt.id: trace for trace in traces}


def encode(tokenizer: Any, prompt: Prompt) -> torch.Tensor:
    return tokenizer.apply_chat_template(
        prompt.messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]


def greedy(model: Any, ids: torch.Tensor, room: int) -> tuple[list[int], float]:
    """The likeliest tokens one by one, and the narrowest lead that one of them had over the next best."""
    options = {"max_new_tokens": room, "do_sample": False, "pad_token_id": 0, "output_logits": True}
    made = model.generate(ids, attention_mask=torch.ones_like(ids), return_dict_in_generate=True, **options)
    best = torch.cat(made.logits).topk(2).values
    return made.sequences[0, ids.shape[1] :].tolist(), float((best[:, 0] - best[:, 1]).min())


def test_the_plugin_keeps_the_contract():
    assert [component.name for component in check_plugin("orca_transformers")] == ["transformers"]


def test_the_teacher_keeps_the_contract(make_teacher, monkeypatch):
    monkeypatch.setattr(teacher_module, "WINDOW", 64)
    check_responder(make_teacher(max_tokens=8))
    check_responder(make_teacher(), [Prompt(Query("Which?", "t"), choices=("A", "B"))], stream=1000)


def test_greedy_answers_of_a_batch_are_those_of_transformers_one_by_one(make_teacher, prompts, plain):
    model, tokenizer = plain
    asked = prompts(14)
    answers = by_id(make_teacher(max_tokens=190, batch_tokens=4000).respond(asked))
    compared = 0
    for prompt in asked:
        ids = encode(tokenizer, prompt)
        new, gap = greedy(model, ids, min(190, 256 - ids.shape[1]))
        if gap < 1e-4:  # two tokens as good as equal: the order of a sum decides
            continue
        compared += 1
        answer = answers[prompt.id]
        assert answer.text == tokenizer.decode(new, skip_special_tokens=True)
        assert answer.finish_reason == ("stop" if new[-1] == tokenizer.eos_token_id else "length")
        assert (answer.prompt_tokens, answer.completion_tokens, answer.cost_usd) == (ids.shape[1], len(new), 0.0)
    assert compared >= 10
    assert {answer.finish_reason for answer in answers.values()} == {"stop", "length"}
    assert any(a.prompt_tokens + a.completion_tokens == 256 for a in answers.values()), "one filled the context"


def test_a_sampled_answer_does_not_depend_on_who_shares_the_batch(make_teacher, prompts):
    asked = prompts(16)
    sampling = {"temperature": 0.8, "top_p": 0.95, "max_tokens": 40}
    together = by_id(make_teacher(cache="together", **sampling).respond(asked))
    alone = by_id(make_teacher(cache="alone", batch_tokens=1, **sampling).respond(asked[::-1]))
    assert {id: trace.text for id, trace in together.items()} == {id: trace.text for id, trace in alone.items()}
    greedy = by_id(make_teacher(cache="greedy", max_tokens=40).respond(asked))
    assert sum(together[id].text != greedy[id].text for id in greedy) > 12, "it does sample"


def test_seeds_and_sample_numbers_give_other_answers(make_teacher, prompts):
    (prompt,) = prompts(1)
    several = [replace(prompt, sample=number) for number in range(4)]
    first = [t.text for t in make_teacher(temperature=1.0, max_tokens=20).respond(several)]
    other = [t.text for t in make_teacher(seed=1, temperature=1.0, max_tokens=20).respond(several)]
    assert len({*first, *other}) == 8


def test_sampling_follows_the_nucleus_and_the_temperature(make_teacher, prompts):
    (prompt,) = prompts(1)
    greedy = [t.text for t in make_teacher(max_tokens=20).respond([prompt])]
    for narrow in ({"temperature": 1.0, "top_p": 1e-9}, {"temperature": 1e-4}):
        assert [t.text for t in make_teacher(max_tokens=20, **narrow).respond([prompt])] == greedy


def test_drawn_tokens_have_the_frequencies_of_the_truncated_distribution():
    from orca_transformers.decoding import SeededSampling

    scores = (
        torch.log(torch.tensor([[0.5, 0.05, 0.3, 0.15]])).repeat(20_000, 1) * 0.5
    )  # the temperature undoes the factor
    left = SeededSampling(0.5, 0.9, range(20_000), start=3, room=1)(torch.zeros(20_000, 3), scores)
    assert (left.isfinite().sum(-1) == 1).all()
    counts = left.argmax(-1).bincount(minlength=4) / 20_000
    expected = torch.tensor([0.5, 0, 0.3, 0.15]) / 0.95
    assert torch.allclose(counts, expected, atol=4 * math.sqrt(0.25 / 20_000))


def test_stop_strings_end_an_answer_and_are_no_part_of_it(make_teacher, prompts):
    asked = prompts(30)
    whole = by_id(make_teacher(max_tokens=120).respond(asked))
    cut_off = by_id(make_teacher(max_tokens=120, stop=("Th", " 8")).respond(asked))
    stopped = 0
    for id, trace in cut_off.items():
        text = whole[id].text
        found = [at for stop in ("Th", " 8") if (at := text.find(stop)) >= 0]
        assert trace.text == (text[: min(found)] if found else text)
        assert trace.finish_reason == ("stop" if found else whole[id].finish_reason)
        assert trace.completion_tokens <= whole[id].completion_tokens
        stopped += bool(found)
    assert stopped > 5, "some of the answers contain a stop string"


def test_what_a_prompt_demands_goes_before_the_settings(make_teacher, prompts):
    demands = ({}, {"max_tokens": 5}, {"stop": ["Th"]}, {"temperature": 1.0})
    asked = [replace(prompt, decoding=demand) for prompt in prompts(8) for demand in demands]
    found = by_id(make_teacher(cache="mixed", max_tokens=40).respond(asked))
    for demand, wish in zip(demands, ({}, {"max_tokens": 5}, {"stop": ("Th",)}, {"temperature": 1.0}), strict=True):
        same = [prompt for prompt in asked if prompt.decoding == demand]
        alone = make_teacher(cache="alone", **{"max_tokens": 40} | wish).respond(
            [replace(p, decoding={}) for p in same]
        )
        texts = {trace.prompt.query.id: trace.text for trace in alone}
        assert {found[p.id].prompt.query.id: found[p.id].text for p in same} == texts


def test_a_stop_string_in_the_prompt_ends_nothing(make_teacher):
    asked = [Prompt(Query("Th", "t"), "Th")]
    teacher = make_teacher(template="plain", max_tokens=30, stop=("\n\n", "Th\n"))
    (trace,) = teacher.respond(asked)
    assert trace.completion_tokens > 1


def test_choice_logprobs_are_the_sums_of_the_tokens_log_probabilities(make_teacher, plain):
    model, tokenizer = plain
    choices = ("7", " + 1 = 2. Think step", "", "A (b)")
    asked = [Prompt(Query("3 + 4 =" * n, "t"), choices=choices[: 2 + n % 3]) for n in range(1, 8)]
    for budget in (32_768, 60):
        for trace in make_teacher(cache=f"c{budget}", batch_tokens=budget).respond(asked):
            prompt = encode(tokenizer, trace.prompt)[0].tolist()
            for choice, logprob in zip(trace.prompt.choices, trace.choice_logprobs, strict=True):
                tokens = tokenizer(choice, add_special_tokens=False)["input_ids"]
                with torch.no_grad():
                    logits = model(torch.tensor([prompt + tokens])).logits[0].double().log_softmax(-1)
                by_hand = sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(tokens))
                assert logprob == pytest.approx(by_hand, rel=1e-4, abs=1e-4)
            assert (
                trace.text
                == trace.prompt.choices[max(range(len(trace.choice_logprobs)), key=trace.choice_logprobs.__getitem__)]
            )


def test_a_choice_that_would_merge_with_the_prompt_is_rated_behind_the_prompts_own_tokens(plain):
    _, tokenizer = plain
    encoder = Encoder(tokenizer, "chat")
    merged, start = encoder.ids(["ink", "in"])
    assert len(merged) == 1
    forced, joined = encoder.continuations("in", start, ["k", " step"])
    assert start + forced != merged, "the one token 'ink' never follows the tokens of 'in'"
    assert tokenizer.decode(start + forced) == "ink"
    assert start + joined == encoder.ids(["in step"])[0]


jobs = st.lists(
    st.tuples(
        st.integers(1, 300), st.sampled_from([0, 1, 50, 200]), st.lists(st.integers(0, 20), min_size=1, max_size=4)
    ),
    max_size=60,
).map(
    lambda rows: [
        Job(n, [1] * length, room, choices=[] if room else [[1] * size for size in sizes])
        for n, (length, room, sizes) in enumerate(rows)
    ]
)


@given(jobs, st.integers(1, 2000))
def test_cutting_keeps_every_job_once_within_the_budget_and_among_its_like(made, budget):
    batches = list(cut(made, budget))
    assert sorted(job.number for batch in batches for job in batch) == list(range(len(made)))
    for batch in batches:
        assert len(batch) == 1 or size(batch) <= budget
        assert len({job.room for job in batch}) == 1
        assert [job.columns for job in batch] == sorted((job.columns for job in batch), reverse=True)


def test_prompts_are_pulled_a_window_at_a_time(make_teacher, monkeypatch):
    monkeypatch.setattr(teacher_module, "WINDOW", 16)
    pulled = itertools.count()
    endless = (Prompt(Query(f"endless {next(pulled)}", "t")) for _ in itertools.repeat(None))
    answers = make_teacher(max_tokens=4, batch_tokens=100).respond(endless)
    for _ in range(20):
        next(answers)
    answers.close()
    assert next(pulled) == 32


@pytest.fixture
def small_memory(monkeypatch) -> list[int]:
    """A device that holds 600 tokens, prompt and answer, and says so the way CUDA does. Returns the sizes that it was asked for."""
    asked: list[int] = []

    def short_of_memory(real):
        def attempt(self, batch):
            rows = min(sum(job.rows for job in batch), max(1, self.budget // batch[0].columns))
            asked.append(rows * batch[0].columns)
            if asked[-1] > 600:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
            return real(self, batch)

        return attempt

    monkeypatch.setattr(Engine, "_generate", short_of_memory(Engine._generate))
    monkeypatch.setattr(Engine, "_rate", short_of_memory(Engine._rate))
    return asked


def test_a_batch_that_does_not_fit_into_memory_is_halved_and_so_are_later_ones(make_teacher, prompts, small_memory):
    asked = prompts(40)
    teacher = make_teacher(max_tokens=20, batch_tokens=5000)
    answers = by_id(teacher.respond(asked))
    assert {trace.finish_reason for trace in answers.values()} <= {"stop", "length"}
    assert len(answers) == 40
    failures = [n for n in small_memory if n > 600]
    assert 1 <= len(failures) <= 4, "the limit is learnt, not run into again and again"
    (again,) = teacher.respond(asked[:1])
    assert again == answers[asked[0].id]


def test_many_choices_of_one_question_are_rated_in_parts_when_memory_is_short(make_teacher, small_memory):
    asked = [Prompt(Query("Which?", "t"), choices=tuple(f"number {n}" for n in range(80)))]
    (trace,) = make_teacher().respond(asked)
    assert len(trace.choice_logprobs) == 80
    assert max(small_memory) > 600 >= small_memory[-1]


def test_a_prompt_that_does_not_fit_into_memory_alone_is_a_dead_letter(make_teacher, small_memory, tiny, write_model):
    asked = [Prompt(Query("1 + " * 200, "t")), Prompt(Query("1 + 1", "t"))]
    large = write_model(tiny.parent / "large", positions=1024)
    dead, alive = sorted(make_teacher(model=str(large), max_tokens=300).respond(asked), key=lambda t: t.finish_reason)
    assert dead.finish_reason == "error"
    assert "not enough memory for its 40" in dead.error
    assert alive.completion_tokens > 0


def test_other_errors_of_the_device_are_not_taken_for_a_lack_of_memory(make_teacher, prompts, monkeypatch):
    def broken(self, batch):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(Engine, "_generate", broken)
    with pytest.raises(RuntimeError, match="device-side assert"):
        list(make_teacher().respond(prompts(2)))


def test_what_was_answered_once_is_answered_again_without_the_model(make_teacher, prompts, monkeypatch):
    asked = [*prompts(5), Prompt(Query("Which?", "t"), choices=("A", "B"))]
    first = by_id(make_teacher(max_tokens=8).respond(asked))
    assert make_teacher(max_tokens=8).estimate(asked).prompts == 0
    assert list(make_teacher(max_tokens=8).pending([*asked, *prompts(7)])) == prompts(7)[5:]
    with monkeypatch.context() as context:
        context.setattr(teacher_module, "start", None)
        assert by_id(make_teacher(max_tokens=8, batch_tokens=77).respond(asked)) == first
        with pytest.raises(TypeError):
            list(make_teacher(max_tokens=9).respond(asked))
        (rated,) = make_teacher(max_tokens=9, temperature=0.5).respond(asked[-1:])
        assert rated == first[asked[-1].id], "no setting of the answers changes a likelihood"


def test_another_content_of_the_directory_is_another_model(make_teacher, tiny, tmp_path):
    import shutil

    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    asked = [Prompt(Query("1 + 1", "t"))]
    list(make_teacher(max_tokens=4).respond(asked))
    assert make_teacher(model=str(copy), max_tokens=4).estimate(asked).prompts == 1, "its name is another"
    changed = Path(shutil.copytree(tiny, tmp_path / "elsewhere" / "tiny-llama"))
    assert make_teacher(model=str(changed), max_tokens=4).estimate(asked).prompts == 0, "a moved model is the same"
    changed = Path(shutil.copytree(tiny, tmp_path / "again" / "tiny-llama"))
    (changed / "generation_config.json").write_text('{"eos_token_id": 5}')
    assert make_teacher(model=str(changed), max_tokens=4).estimate(asked).prompts == 1


def test_the_estimate_counts_tokens_and_goes_by_the_answers_so_far(make_teacher, prompts, monkeypatch):
    asked = prompts(10)
    monkeypatch.setattr(teacher_module, "WINDOW", 4)
    teacher = make_teacher(max_tokens=60)
    before = teacher.estimate(asked)
    assert (before.prompts, before.completion_tokens, before.cost_usd) == (10, 600, 0.0)
    traces = list(teacher.respond(asked))
    assert before.prompt_tokens == sum(trace.prompt_tokens for trace in traces)
    mean = sum(trace.completion_tokens for trace in traces) / 10
    assert teacher.estimate(prompts(12)).completion_tokens == pytest.approx(2 * mean, abs=1)
